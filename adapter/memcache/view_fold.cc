#include "adapter/memcache/view_fold.h"

#include <rocksdb/options.h>

#include <algorithm>
#include <array>

#include "adapter/memcache/view_rows.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "storage/rocks_status.h"

namespace cairn::adapter::memcache {
namespace {

using storage::FromRocks;

absl::Status Put(std::string_view key, const EffectView& item, EffectId stored_by,
                 rocksdb::WriteBatch* batch) {
  const std::string head = ItemHead(item, stored_by);
  const std::array<rocksdb::Slice, 2> key_parts = {ToSlice(kItemPrefix), ToSlice(key)};
  const std::array<rocksdb::Slice, 2> value_parts = {ToSlice(head), ToSlice(item.value)};
  return FromRocks(batch->Put(rocksdb::SliceParts(key_parts.data(), 2),
                              rocksdb::SliceParts(value_parts.data(), 2)));
}

}  // namespace

absl::Status ViewFold::Add(const EffectView& effect, EffectId id) {
  switch (effect.kind) {
    case EffectKind::kStore:
      Set(effect.key, {.present = true, .item = effect, .stored_by = id});
      return absl::OkStatus();
    case EffectKind::kDelete:
      Set(effect.key, {});
      return absl::OkStatus();
    case EffectKind::kTouch:
      return Touch(effect);
    case EffectKind::kFlush:
      Flush();
      return absl::OkStatus();
    case EffectKind::kFlushAt:
      flush_due_at_ = effect.at;
      return absl::OkStatus();
  }
  CHECK_UNREACHABLE();
}

EffectView ViewFold::Own(const EffectView& effect) {
  EffectView owned = effect;
  owned.key = Keep(effect.key);
  owned.value = Keep(effect.value);
  return owned;
}

std::string_view ViewFold::Keep(std::string_view bytes) { return kept_.emplace_back(bytes); }

void ViewFold::Set(std::string_view key, const State& state) {
  State& known = states_[key];
  bytes_ += key.size() + state.item.value.size();
  known = state;
}

// An item keeps what it is and who stored it.
absl::Status ViewFold::Touch(const EffectView& touch) {
  ASSIGN_OR_RETURN(std::optional<State> state, Find(touch));
  if (!state) return absl::OkStatus();
  state->item.at = touch.at;
  Set(touch.key, *state);
  return absl::OkStatus();
}

absl::StatusOr<std::optional<ViewFold::State>> ViewFold::Find(const EffectView& touch) {
  const auto known = states_.find(touch.key);
  if (known != states_.end()) {
    return known->second.present ? std::optional<State>(known->second) : std::nullopt;
  }
  if (flushed_) return std::optional<State>();
  std::string value;
  const rocksdb::Status read =
      db_->Get(rocksdb::ReadOptions(), ToSlice(ItemKey(touch.key)), &value);
  if (read.IsNotFound()) return std::optional<State>();
  RETURN_IF_ERROR(FromRocks(read));
  kept_.push_back(std::move(value));
  ASSIGN_OR_RETURN(const ItemRow row, ParseItem(kept_.back()));
  return std::optional<State>(State{.present = true, .item = row.item, .stored_by = row.stored_by});
}

// It also takes a pending one back, as memcached has one time for both.
void ViewFold::Flush() {
  states_.clear();
  bytes_ = 0;
  flushed_ = true;
  flush_due_at_ = 0;
}

// By key: each goes into the memtable's list near where the one before went.
std::vector<const ViewFold::States::value_type*> ViewFold::InOrder() const {
  std::vector<const States::value_type*> entries;
  entries.reserve(states_.size());
  for (const auto& entry : states_) entries.push_back(&entry);
  std::sort(entries.begin(), entries.end(),
            [](const auto* a, const auto* b) { return a->first < b->first; });
  return entries;
}

absl::Status ViewFold::MoveTo(rocksdb::WriteBatch* batch) {
  if (flushed_) {
    RETURN_IF_ERROR(FromRocks(batch->DeleteRange(ToSlice(kItemPrefix), ToSlice(ItemsEnd()))));
  }
  for (const auto* entry : InOrder()) {
    const auto& [key, state] = *entry;
    if (state.present) {
      RETURN_IF_ERROR(Put(key, state.item, state.stored_by, batch));
    } else if (!flushed_) {
      RETURN_IF_ERROR(FromRocks(batch->Delete(ToSlice(ItemKey(key)))));
    }
  }
  states_.clear();
  kept_.clear();
  flushed_ = false;
  flush_due_at_.reset();
  bytes_ = 0;
  return absl::OkStatus();
}

}  // namespace cairn::adapter::memcache
