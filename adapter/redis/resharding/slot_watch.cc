#include "adapter/redis/resharding/slot_watch.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::adapter::redis {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(5);
constexpr absl::Duration kNextPatience = absl::Seconds(1);
constexpr Millis kRetry{200};

}  // namespace

SlotWatch::SlotWatch(asio::any_io_executor executor, Background* background, SlotLog log,
                     SlotEntry first, std::function<void()> on_change)
    : executor_(std::move(executor)),
      background_(background),
      log_(std::move(log)),
      entry_(std::move(first)),
      on_change_(std::move(on_change)),
      pause_(executor_) {}

SlotWatch::~SlotWatch() { CHECK_EQ(under_way_, size_t{0}); }

void SlotWatch::Start() { Spawn(executor_, Follow()); }

asio::awaitable<void> SlotWatch::Stop() {
  stopping_ = true;
  WakeUp look(executor_);
  while (under_way_ > 0) {
    if (tailer_ != nullptr) tailer_->Close();
    pause_.Wake();
    co_await look.Wait(Millis(2));
  }
}

void SlotWatch::Take(SlotEntry entry) {
  if (entry.seq <= entry_.seq) return;
  entry_ = std::move(entry);
  on_change_();
}

asio::awaitable<absl::Status> SlotWatch::Refresh() {
  ++under_way_;
  auto read = [log = log_] { return log.Read({.timeout = kCallTimeout}); };
  absl::StatusOr<std::optional<SlotEntry>> found = co_await background_->Run(std::move(read));
  --under_way_;
  if (!found.ok()) co_return found.status();
  if (!found->has_value()) co_return absl::DataLossError("the slot log has lost its records");
  Take(**std::move(found));
  co_return absl::OkStatus();
}

asio::awaitable<absl::Status> SlotWatch::Append(Seq base, SlotState next) {
  ++under_way_;
  absl::Status status = absl::CancelledError("stopping");
  while (!stopping_) {
    auto append = [log = log_, base, next]() -> absl::StatusOr<std::optional<SlotEntry>> {
      ASSIGN_OR_RETURN(SlotEntry entry, log.Append(base, next, {.timeout = kCallTimeout}));
      return entry;
    };
    absl::StatusOr<std::optional<SlotEntry>> appended =
        co_await background_->Run(std::move(append));
    status = appended.status();
    if (status.ok()) Take(**std::move(appended));
    const bool overtaken = absl::IsAborted(status);
    absl::Status read;
    if (overtaken) read = co_await Refresh();
    if (status.ok() || (overtaken && read.ok())) break;
    spdlog::warn("the slot log: {}", ToStd(status.message()));
    co_await pause_.Wait(kRetry);
  }
  --under_way_;
  co_return status;
}

asio::awaitable<void> SlotWatch::Follow() {
  ++under_way_;
  while (!stopping_) {
    const absl::Status status = co_await FollowOnce();
    if (stopping_) break;
    spdlog::warn("following the slot log: {}", ToStd(status.message()));
    co_await pause_.Wait(kRetry);
    (void)co_await Refresh();
  }
  --under_way_;
}

asio::awaitable<absl::Status> SlotWatch::FollowOnce() {
  TailerOptions options;
  options.start = TailStart::AtSeq(entry_.seq + 1);
  options.on_denied = [](const absl::Status&) {};
  absl::StatusOr<std::unique_ptr<Tailer>> opened = Tailer::Open(log_.log(), std::move(options));
  if (!opened.ok()) co_return opened.status();
  const std::shared_ptr<Tailer> tailer = *std::move(opened);
  tailer_ = tailer;
  while (!stopping_) {
    auto next = [tailer] { return tailer->Next(kNextPatience); };
    absl::StatusOr<TailEvent> event = co_await background_->Run(std::move(next));
    if (absl::IsDeadlineExceeded(event.status())) continue;
    if (!event.ok()) co_return event.status();
    for (const RecordBatch& batch : event->batches) {
      for (const Record& record : batch.records) {
        const absl::Status taken = TakeRecord(record);
        if (!taken.ok()) co_return taken;
      }
    }
  }
  co_return absl::CancelledError("stopping");
}

absl::Status SlotWatch::TakeRecord(const Record& record) {
  ASSIGN_OR_RETURN(SlotState state, ReadSlotState(record.payload));
  Take({record.seq, std::move(state)});
  return absl::OkStatus();
}

}  // namespace cairn::adapter::redis
