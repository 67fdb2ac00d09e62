#include "tests/adapter/memcache/effect_log.h"

#include <fmt/format.h>

#include "adapter/memcache/view_scan.h"
#include "base/check.h"
#include "base/overloaded.h"

namespace cairn::adapter::memcache {
namespace {

// Small, so that runs and several records a batch are common.
constexpr RecordBuilder::Options kSmallRecords = {.gather_bytes = 1'000, .max_record_bytes = 2'000};
constexpr uint64_t kKeys = 150;
constexpr size_t kSliceBytes = 500;

uint64_t ChainOf(Seq seq) { return (seq.value() + 1) * 0x9e3779b97f4a7c15u; }

}  // namespace

void ItemModel::Apply(const Effect& effect, EffectId id) {
  std::visit(Overloaded{[&](const StoreEffect& store) {
                          items_[store.key] = {store.item, store.binary, id};
                        },
                        [&](const DeleteEffect& gone) { items_.erase(gone.key); },
                        [&](const TouchEffect& touch) {
                          const auto found = items_.find(touch.key);
                          if (found != items_.end())
                            found->second.item.expires_at = touch.expires_at;
                        },
                        [&](const FlushEffect&) {
                          items_.clear();
                          flush_due_at_ = 0;
                        },
                        [&](const FlushAtEffect& flush) { flush_due_at_ = flush.due_at; }},
             effect);
}

std::map<std::string, ViewItem> ItemModel::LiveAt(UnixSeconds now) const {
  std::map<std::string, ViewItem> live;
  for (const auto& [key, item] : items_) {
    if (!HasExpired(item.item.expires_at, now)) live.emplace(key, item);
  }
  return live;
}

void MadeBatch::ApplyTo(ItemModel* model, Seq through) const {
  for (const auto& [id, effect] : effects) {
    if (id.seq <= through) model->Apply(effect, id);
  }
}

Record GrantRecord(Seq seq, std::string lease_name) {
  Record record{.seq = seq, .kind = RecordKind::kLeaseAcquired};
  record.lease = LeaseEvent{.name = std::move(lease_name), .holder = "agent-1", .ttl_ms = 3'000};
  return record;
}

Record DataRecord(Seq seq, EffectRecord record) {
  NewRecord made = std::move(record).ToNewRecord();
  return {.seq = seq, .payload = std::move(made.payload), .metadata = std::move(made.metadata)};
}

MadeBatch EffectLog::Next() {
  made_ = {};
  made_.batch.first_seq = last_seq_ + 1;
  now_ += random_.Between(0, 300);
  if (!builder_ || random_.Chance(0.1)) BeginReign();
  if (random_.Chance(0.1)) {
    made_.batch.records.push_back(GrantRecord(++last_seq_, "another-lease"));
  }
  std::vector<EffectRecord> records;
  for (uint64_t left = 1 + random_.Below(40); left > 0; --left) {
    waiting_.push_back(Draw());
    builder_->Add(waiting_.back(), &records);
  }
  builder_->Flush(&records);
  Emit(std::move(records));
  if (random_.Chance(0.05)) EmitCutRun();
  made_.batch.timestamp_us = now_ * kMicrosPerSecond;
  made_.batch.chain = ChainOf(last_seq_);
  return std::move(made_);
}

void EffectLog::BeginReign() {
  made_.batch.records.push_back(GrantRecord(++last_seq_));
  // Now and then the memory of before goes on.
  const StreamPlace fresh = {fmt::format("history-{}", ++reigns_), StreamOffset(reigns_ * 1'000)};
  const bool goes_on = builder_ && random_.Chance(0.5);
  builder_.emplace(goes_on ? builder_->place() : fresh, kSmallRecords);
  Emit({builder_->Opening()});
}

void EffectLog::Emit(std::vector<EffectRecord> records) {
  for (EffectRecord& record : records) {
    ++last_seq_;
    for (uint32_t index = 0; index < record.mark.effects; ++index) {
      made_.effects.emplace_back(EffectId{last_seq_, index}, std::move(waiting_.front()));
      model_.Apply(made_.effects.back().second, made_.effects.back().first);
      waiting_.pop_front();
    }
    made_.batch.records.push_back(DataRecord(last_seq_, std::move(record)));
  }
}

// A run whose writer dies: its last part never comes, and the next reign begins.
void EffectLog::EmitCutRun() {
  RecordBuilder dying(builder_->place(), kSmallRecords);
  std::vector<EffectRecord> records;
  dying.Add(StoreEffect{.key = "cut", .item = {.value = std::string(9'000, 'x')}}, &records);
  records.resize(1 + random_.Below(records.size() - 1));
  Emit(std::move(records));
  BeginReign();
}

std::string EffectLog::DrawKey() { return fmt::format("key-{}", random_.Below(kKeys)); }

StoreEffect EffectLog::DrawStore() {
  StoreEffect store{.key = DrawKey(), .binary = random_.Chance(0.1)};
  const size_t bytes = random_.Chance(0.03) ? random_.Below(12'000) : random_.Below(200);
  store.item.value.assign(bytes, static_cast<char>('a' + random_.Below(26)));
  if (random_.Chance(0.3)) store.item.client_flags = static_cast<uint32_t>(random_.Next());
  if (random_.Chance(0.5)) store.item.expires_at = now_ + random_.Between(-10, 5'000);
  return store;
}

Effect EffectLog::Draw() {
  const uint64_t kind = random_.Below(1'000);
  if (kind < 4) return FlushEffect{};
  if (kind < 14) return FlushAtEffect{random_.Chance(0.3) ? 0 : now_ + random_.Between(1, 1'000)};
  if (kind < 200) return DeleteEffect{.key = DrawKey()};
  if (kind > 400) return DrawStore();
  // What is still waiting may not be there yet, or no more; then it is one that never was.
  const std::map<std::string, ViewItem> live = model_.LiveAt(now_);
  TouchEffect touch{.key = DrawKey(), .expires_at = now_ + random_.Between(1, 5'000)};
  for (const Effect& effect : waiting_) {
    const EffectView view = ViewOf(effect);
    if (view.key == touch.key || view.kind == EffectKind::kFlush) touch.key = "never";
  }
  if (!live.contains(touch.key)) touch.key = "never";
  return touch;
}

std::map<std::string, ViewItem> ItemsOf(const View& view, UnixSeconds now) {
  std::map<std::string, ViewItem> items;
  auto scan = ViewScan::Begin(view);
  CHECK(scan.ok());
  const auto add = [&items](const EffectView& item, EffectId id) {
    const bool is_new =
        items
            .emplace(
                item.key,
                ViewItem{{std::string(item.value), item.client_flags, item.at}, item.binary, id})
            .second;
    CHECK(is_new);
  };
  absl::StatusOr<bool> more = true;
  while (*more) {
    more = (*scan)->Next(kSliceBytes, now, add);
    CHECK(more.ok());
  }
  CHECK_EQ((*scan)->items(), items.size());
  return items;
}

}  // namespace cairn::adapter::memcache
