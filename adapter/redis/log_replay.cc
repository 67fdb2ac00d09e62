#include "adapter/redis/log_replay.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "adapter/redis/engine_promotion.h"

namespace cairn::adapter::redis {
namespace {

constexpr Millis kCallPatience{10'000};
// A wake-up comes; records that bring nothing to feed bring none.
constexpr Millis kLook{50};
constexpr int kMaxDumps = 3;

}  // namespace

LogReplay::LogReplay(asio::any_io_executor executor, Background* background, const Log& log,
                     Options options)
    : options_(std::move(options)),
      feeder_(executor, background, log,
              {.sink_password = options_.sink_password,
               .lease_name = "primary",
               .snapshots = [this](EngineVersion reader) { return Begin(std::move(reader)); }},
              this),
      moved_(executor) {
  feeder_.SetEngine(options_.engine);
}

LogReplay::~LogReplay() = default;

// Here a snapshot that cannot be had is final: nobody waits for the operator.
asio::awaitable<absl::StatusOr<SinkFull>> LogReplay::Begin(EngineVersion reader) {
  if (++dumps_ > kMaxDumps) Fail(absl::UnavailableError("the engine does not take the dump"));
  absl::StatusOr<SinkFull> full = co_await options_.snapshots(std::move(reader));
  if (full.ok() && status_.ok()) {
    loaded_seq_ = full->seq;
    co_return full;
  }
  Fail(full.status());
  co_return absl::CancelledError("the replay has failed");
}

void LogReplay::Fail(const absl::Status& why) {
  if (status_.ok()) status_ = why;
  moved_.Wake();
}

void LogReplay::Cancel() { Fail(absl::CancelledError("stopped")); }

// It may have taken records behind the dump with its first acknowledgement.
void LogReplay::OnResynced(Seq seq, StreamOffset) {
  resynced_ = true;
  acked_seq_ = seq;
  moved_.Wake();
}

void LogReplay::OnFed(const EngineFedEvent& fed) {
  acked_seq_ = fed.acked_seq;
  if (options_.on_applied) options_.on_applied(acked_seq_);
  moved_.Wake();
}

// Counts only if records are wanted: those behind the dump may be trimmed.
void LogReplay::OnFeedFailed(const absl::Status& why) {
  feed_status_ = why;
  moved_.Wake();
}

void LogReplay::OnMemoryLost() {
  Fail(absl::UnavailableError("the engine has lost what it was given"));
}

asio::awaitable<absl::StatusOr<LogReplay::Reached>> LogReplay::Run(EngineLink* link, Seq through) {
  link_ = link;
  absl::Status status = feeder_.Listen();
  if (!status.ok()) co_return status;
  feeder_.Resync(std::nullopt);
  feeder_.Bound(through);
  status = co_await FollowSink(link, feeder_.sink(), kCallPatience);
  if (!status.ok()) co_return status;
  co_return co_await Extend(through);
}

asio::awaitable<absl::StatusOr<LogReplay::Reached>> LogReplay::Extend(Seq through) {
  feeder_.Bound(through);
  while (status_.ok()) {
    const FeedProgress& progress = feeder_.progress();
    if (resynced_ && loaded_seq_ == through) co_return Reached{through, through, FeedProgress()};
    const bool all_read = resynced_ && progress.read >= through;
    if (all_read && acked_seq_ == progress.applied) {
      co_return Reached{progress.applied, loaded_seq_, progress};
    }
    if (resynced_ && !feed_status_.ok()) Fail(feed_status_);
    if (!link_->connected()) Fail(absl::UnavailableError("the engine has ended"));
    co_await moved_.Wait(kLook);
  }
  co_return status_;
}

asio::awaitable<void> LogReplay::Stop() { co_await feeder_.Stop(); }

}  // namespace cairn::adapter::redis
