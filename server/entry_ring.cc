#include "server/entry_ring.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace cairn::server {

EntryRing::EntryRing(CacheBudget* budget, Index last, LogPosition after)
    : budget_(budget), last_(last), before_(after), evictable_(last) {}

EntryRing::~EntryRing() {
  while (!slots_.empty()) PopNewest();
}

void EntryRing::PopNewest() {
  const uint64_t cost = Cost(slots_.back());
  CHECK_GE(budget_->used_bytes, cost);
  budget_->used_bytes -= cost;
  slots_.pop_back();
  last_ = last_.Previous();
}

void EntryRing::Push(consensus::Entry entry, LogPosition after) {
  CHECK_LE(entry.index, last_ + 1);
  // What is before the ring is applied, hence committed: nobody may replace it.
  CHECK_GE(entry.index, first_index());
  while (last_ >= entry.index) PopNewest();
  Slot slot{.entry = std::move(entry), .after = after, .header = {}};
  slot.bytes_through =
      (slots_.empty() ? bytes_before_ : slots_.back().bytes_through) + slot.entry.payload.size();
  if (slot.entry.kind == consensus::EntryKind::kData) {
    const auto header = storage::ParseEntryHeader(slot.entry.payload.view());
    CHECK(header.ok());
    slot.header = *header;
    CHECK_EQ(slot.header.last_seq(), after.last_seq);
  }
  CHECK_EQ(after.last_seq, last_position().last_seq + slot.header.record_count);
  budget_->used_bytes += Cost(slot);
  last_ = slot.entry.index;
  slots_.push_back(std::move(slot));
}

void EntryRing::Reset(Index last, LogPosition after) {
  while (!slots_.empty()) PopNewest();
  last_ = last;
  before_ = after;
  evictable_ = last;
}

void EntryRing::SetEvictable(Index through) { evictable_ = std::max(evictable_, through); }

void EntryRing::Shrink() {
  while (budget_->over() && !slots_.empty() && slots_.front().entry.index <= evictable_) {
    before_ = slots_.front().after;
    bytes_before_ = slots_.front().bytes_through;
    budget_->used_bytes -= Cost(slots_.front());
    slots_.pop_front();
  }
}

const EntryRing::Slot* EntryRing::Find(Index index) const {
  if (index < first_index() || index > last_) return nullptr;
  return &slots_[index - first_index()];
}

std::optional<LogPosition> EntryRing::PositionAfter(Index index) const {
  if (index == before_index()) return before_;
  const Slot* slot = Find(index);
  return slot == nullptr ? std::nullopt : std::optional(slot->after);
}

uint64_t EntryRing::BytesAfter(Index index) const {
  if (slots_.empty() || index >= last_) return 0;
  const Slot* slot = Find(index);
  return slots_.back().bytes_through - (slot == nullptr ? bytes_before_ : slot->bytes_through);
}

std::optional<int64_t> EntryRing::OldestAfter(Index index) const {
  const Seq held = PositionAfter(index).value_or(before_).last_seq;
  if (held >= last_position().last_seq) return std::nullopt;
  return FindSeq(held + 1).after.timestamp_us;
}

const EntryRing::Slot& EntryRing::FindSeq(Seq seq) const {
  CHECK_GT(seq, before_.last_seq);
  const auto slot = std::partition_point(slots_.begin(), slots_.end(),
                                         [&](const Slot& s) { return s.after.last_seq < seq; });
  CHECK(slot != slots_.end());
  return *slot;
}

std::optional<Seq> EntryRing::FindTime(int64_t timestamp_us) const {
  if (before_.last_seq && before_.timestamp_us >= timestamp_us) return std::nullopt;
  const auto slot = std::partition_point(slots_.begin(), slots_.end(), [&](const Slot& s) {
    return s.after.timestamp_us < timestamp_us;
  });
  return (slot == slots_.begin() ? before_ : std::prev(slot)->after).last_seq + 1;
}

}  // namespace cairn::server
