// ViewFeeder: an engine is filled from the view until it holds what the view does.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "adapter/memcache/view_feeder.h"
#include "adapter/memcache/view_scan.h"
#include "base/clock.h"
#include "base/strings.h"

namespace cairn::adapter::memcache {
namespace {

constexpr size_t kSliceBytes = size_t{1} << 20;
constexpr absl::Duration kReadTimeout = absl::Seconds(30);
constexpr int64_t kReportEveryUs = 5 * kMicrosPerSecond;
constexpr Millis kAfterFailure{50};
// Above that, filling everything is no slower than asking the view for each.
constexpr size_t kMaxChangedKeys = 200'000;

UnixSeconds WallSeconds() { return SystemClock().Wall() / kMicrosPerSecond; }

// Plain commands cannot say it.
bool NeedsBase64(std::string_view key) {
  return std::any_of(key.begin(), key.end(), [](char c) { return c <= ' ' && c >= 0; });
}

struct Slice {
  FillBatch batch;
  bool more = false;
};

// Adds the keys whose items a record changes. False: maybe all of them.
absl::StatusOr<bool> AddChangedKeys(const Record& record, absl::flat_hash_set<std::string>* keys) {
  if (record.kind != RecordKind::kData) return true;
  absl::StatusOr<RecordMark> mark = RecordMark::Of(record);
  if (!mark.ok()) return mark.status();
  std::string_view payload = record.payload;
  if (mark->part == RunPart::kFirst) {
    absl::StatusOr<EffectHead> head = TakeEffectHead(&payload);
    if (!head.ok()) return head.status();
    keys->emplace(head->effect.key);
    return true;
  }
  if (mark->part != RunPart::kNone) return true;
  while (!payload.empty()) {
    absl::StatusOr<EffectView> effect = TakeEffect(&payload);
    if (!effect.ok()) return effect.status();
    if (effect->kind == EffectKind::kFlush) return false;
    if (!effect->key.empty()) keys->emplace(effect->key);
  }
  return true;
}

// The keys that the records from `first` to `last` change; nullopt of seq: too many to tell.
absl::StatusOr<EngineHolds> ChangedIn(Log log, Seq first, Seq last, EngineHolds holds) {
  ReadOptions options;
  options.call.timeout = kReadTimeout;
  options.start_seq = first;
  options.end_seq = last;
  ReadStream stream = log.Read(options);
  while (true) {
    absl::StatusOr<std::optional<RecordBatch>> batch = stream.Next();
    if (!batch.ok()) return batch.status();
    if (!batch->has_value()) return holds;
    for (const Record& record : (*batch)->records) {
      absl::StatusOr<bool> told = AddChangedKeys(record, &holds.dirty);
      if (!told.ok()) return told.status();
      if (!*told || holds.dirty.size() > kMaxChangedKeys) return EngineHolds();
    }
  }
}

}  // namespace

asio::awaitable<void> ViewFeeder::Fill(uint64_t following, EngineAddress engine,
                                       EngineHolds holds) {
  unfilled_ = holds;
  // The view first: it must not be behind what the engine holds.
  while (following == following_ && (busy_ || (holds.seq && view_seq_ < *holds.seq))) {
    co_await freed_.Wait(Millis(20));
  }
  absl::Status status = absl::CancelledError("replaced");
  if (following == following_) {
    busy_ = true;
    status = co_await filler_.Connect(std::move(engine));
    if (status.ok() && following != following_) status = absl::CancelledError("replaced");
    if (status.ok()) status = co_await FillFrom(following, std::move(holds));
    busy_ = false;
    freed_.Wake();
  }
  if (!status.ok() && following == following_) {
    // Whoever watches the engine soon tells what became of it; to ask at once is only loud.
    WakeUp pause(executor_);
    co_await pause.Wait(kAfterFailure);
  }
  --filling_;
  ended_.Wake();
  if (following != following_) co_return;
  if (status.ok()) {
    owner_->OnResynced(fed_seq_);
    owner_->OnFed(fed_seq_);
  } else {
    ++following_;
    filler_.Close();
    owner_->OnFillFailed(status);
  }
}

asio::awaitable<absl::Status> ViewFeeder::FillFrom(uint64_t following, EngineHolds holds) {
  if (holds.seq && *holds.seq < view_seq_) {
    absl::StatusOr<EngineHolds> changed = co_await CollectChanged(std::move(holds));
    // Trimmed, maybe: filling everything needs no records.
    holds = changed.ok() ? *std::move(changed) : EngineHolds();
  }
  absl::Status filled;
  if (holds.seq) {
    spdlog::info("the engine keeps what it holds, but for {} items", holds.dirty.size());
    filled = co_await FillKeys(std::move(holds.dirty));
  } else {
    filled = co_await FillAll(following);
  }
  if (!filled.ok()) co_return filled;
  if (following != following_) co_return absl::CancelledError("replaced");
  fed_seq_ = view_seq_;
  reader_ = std::make_unique<RecordReader>(RecordReader::Options{.lease_name = options_.lease_name},
                                           view_->position().read);
  unfilled_ = {};
  follows_ = true;
  co_return absl::OkStatus();
}

asio::awaitable<absl::StatusOr<EngineHolds>> ViewFeeder::CollectChanged(EngineHolds holds) {
  auto collect = [log = log_, first = *holds.seq + 1, last = view_seq_, holds] {
    return ChangedIn(log, first, last, holds);
  };
  co_return co_await background_->Run(std::move(collect));
}

asio::awaitable<absl::Status> ViewFeeder::FillAll(uint64_t following) {
  FillBatch flush;
  flush.Add({.kind = EffectKind::kFlush}, WallSeconds());
  const absl::Status flushed = co_await filler_.Put(std::move(flush));
  if (!flushed.ok()) co_return flushed;
  absl::StatusOr<std::unique_ptr<ViewScan>> begun = ViewScan::Begin(*view_);
  if (!begun.ok()) co_return begun.status();
  const std::shared_ptr<ViewScan> scan = *std::move(begun);
  int64_t told_us = SystemClock().Mono();
  bool more = true;
  while (more) {
    auto next = [scan]() -> absl::StatusOr<Slice> {
      Slice slice;
      const UnixSeconds now = WallSeconds();
      absl::StatusOr<bool> went_on = scan->Next(
          kSliceBytes, now, [&](const EffectView& item, EffectId) { slice.batch.Add(item, now); });
      if (!went_on.ok()) return went_on.status();
      slice.more = *went_on;
      return slice;
    };
    absl::StatusOr<Slice> slice = co_await background_->Run(std::move(next));
    if (!slice.ok()) co_return slice.status();
    if (following != following_) co_return absl::CancelledError("replaced");
    more = slice->more;
    const absl::Status put = co_await filler_.Put(std::move(slice->batch));
    if (!put.ok()) co_return put;
    if (SystemClock().Mono() - told_us > kReportEveryUs) {
      told_us = SystemClock().Mono();
      spdlog::info("filling the engine: {} of about {} items", scan->items(),
                   scan->estimate().items);
    }
  }
  spdlog::info("the engine was filled with {} items, {} bytes", scan->items(), scan->bytes());
  co_return absl::OkStatus();
}

asio::awaitable<absl::Status> ViewFeeder::FillKeys(absl::flat_hash_set<std::string> keys) {
  auto look_up = [view = view_, keys = std::move(keys)]() -> absl::StatusOr<FillBatch> {
    FillBatch batch;
    const UnixSeconds now = WallSeconds();
    for (const std::string& key : keys) {
      absl::StatusOr<std::optional<ViewItem>> item = view->Get(key, now);
      if (!item.ok()) return item.status();
      if (item->has_value()) {
        batch.Add(ViewOf(StoreEffect{key, (*item)->binary, (*item)->item}), now);
      } else {
        batch.Add(ViewOf(DeleteEffect{key, NeedsBase64(key)}), now);
      }
    }
    return batch;
  };
  absl::StatusOr<FillBatch> batch = co_await background_->Run(std::move(look_up));
  if (!batch.ok()) co_return batch.status();
  co_return co_await filler_.Put(*std::move(batch));
}

}  // namespace cairn::adapter::memcache
