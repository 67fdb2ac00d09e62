// ViewFeeder: an engine is filled from the view until it holds what the view does.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "adapter/memcache/engine_warmup.h"
#include "adapter/memcache/view_feeder.h"
#include "adapter/memcache/view_scan.h"
#include "base/clock.h"
#include "base/strings.h"

namespace cairn::adapter::memcache {
namespace {

constexpr absl::Duration kReadTimeout = absl::Seconds(30);
constexpr Millis kAfterFailure{50};
// Above that, filling everything is no slower than asking the view for each.
constexpr size_t kMaxChangedKeys = 200'000;

// Plain commands cannot say it.
bool NeedsBase64(std::string_view key) {
  return std::any_of(key.begin(), key.end(), [](char c) { return c <= ' ' && c >= 0; });
}

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
  // The view first: it must not be behind what the engine holds, and what it reads of the log's
  // past shall not go into the engine record by record.
  const Seq held = holds.seq.value_or(Seq());
  while (following == following_ && (busy_ || view_seq_ < std::max(held, replayed_at_))) {
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
  const MonoMicros began_us = SystemClock().Mono();
  WarmUpParts parts{background_, &filler_, scan, options_.report, nullptr, numbered_};
  parts.wanted = [this, following] { return following == following_; };
  const absl::Status filled = co_await WarmUp(std::move(parts));
  if (options_.report != nullptr) options_.report->Clear();
  if (!filled.ok()) co_return filled;
  const int64_t took_us = std::max<int64_t>(SystemClock().Mono() - began_us, 1);
  spdlog::info("the engine was filled with {} items, {} bytes in {} ms: {} MB/s", scan->items(),
               scan->bytes(), took_us / kMicrosPerMilli, scan->bytes() / took_us);
  co_return absl::OkStatus();
}

asio::awaitable<absl::Status> ViewFeeder::FillKeys(absl::flat_hash_set<std::string> keys) {
  auto look_up = [view = view_, keys = std::move(keys),
                  numbered = numbered_]() -> absl::StatusOr<FillBatch> {
    FillBatch batch;
    const UnixSeconds now = WallSeconds();
    for (const std::string& key : keys) {
      absl::StatusOr<std::optional<ViewItem>> item = view->Get(key, now);
      if (!item.ok()) return item.status();
      if (item->has_value()) {
        batch.Add(ViewOf(StoreEffect{key, (*item)->binary, (*item)->item}), now,
                  NumberFor((*item)->stored_by, numbered));
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
