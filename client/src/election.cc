#include "cairn/election.h"

#include <algorithm>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "base/status_macros.h"
#include "client/src/core.h"
#include "client/src/lease_watch.h"
#include "client/src/wake_timer.h"

namespace cairn {
namespace {

using client::kNever;

// Before the next attempt after one that met no answer, in microseconds.
constexpr int64_t kRetryPauseUs = 100 * kMicrosPerMilli;
// A leader's `remaining` may round down.
constexpr int64_t kRemainingSlackUs = 5 * kMicrosPerMilli;

// Campaigning on cannot help.
bool IsFinal(const absl::Status& status) {
  switch (GetReason(status)) {
    case Reason::kLogRecreated:
    case Reason::kLogNotFound:
    case Reason::kPermissionDenied:
    case Reason::kUnauthenticated:
    case Reason::kInvalid:
    case Reason::kTooLarge:
    case Reason::kTableFull:
      return true;
    default:
      return absl::IsInvalidArgument(status);
  }
}

}  // namespace

class Election::Impl {
 public:
  Impl(const Log& log, ElectionOptions options)
      : core_(*log.core()),
        log_(log),
        options_(std::move(options)),
        watch_(options_.lease.lease_name, absl::ToInt64Microseconds(options_.lease.ttl)) {}

  void Consumed(const TailEvent& event);
  absl::StatusOr<std::unique_ptr<LeaseKeeper>> Campaign(absl::Duration timeout);
  Leadership Observe() const;
  void Stop();

 private:
  // Waits for a moment at which campaigning makes sense, and returns the position to do it with.
  absl::StatusOr<Seq> AwaitChance(MonoMicros give_up_us);
  // Sleeps for a random moment; kCancelled when stopped in it.
  absl::Status Jitter();
  absl::StatusOr<std::unique_ptr<LeaseKeeper>> Attempt(Seq position, MonoMicros give_up_us);
  absl::Status AwaitGranted();
  void LearnFrom(const absl::Status& status);
  [[nodiscard]] MonoMicros NextChanceUs() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  client::Core& core_;
  Log log_;
  const ElectionOptions options_;

  mutable absl::Mutex mutex_;
  absl::CondVar changed_;
  client::LeaseWatch watch_ ABSL_GUARDED_BY(mutex_);
  // What refused attempts taught: nothing to win before this moment, nor below this position.
  MonoMicros not_before_us_ ABSL_GUARDED_BY(mutex_) = 0;
  Seq not_below_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<absl::Status> granted_ ABSL_GUARDED_BY(mutex_);  // Of the present attempt.
};

void Election::Impl::Consumed(const TailEvent& event) {
  absl::MutexLock lock(&mutex_);
  const bool freed = watch_.OnEvent(event, core_.clock().Mono());
  if (freed) not_before_us_ = 0;  // What an earlier refusal said of the holder is over.
  changed_.SignalAll();
}

MonoMicros Election::Impl::NextChanceUs() const {
  const std::optional<Seq> position = watch_.position();
  if (!position || *position < not_below_) return kNever;
  return std::max(watch_.free_at_us(), not_before_us_);
}

absl::StatusOr<Seq> Election::Impl::AwaitChance(MonoMicros give_up_us) {
  absl::MutexLock lock(&mutex_);
  for (;;) {
    const MonoMicros now_us = core_.clock().Mono();
    if (stopped_) return absl::CancelledError("the election was stopped");
    if (now_us >= give_up_us) return absl::DeadlineExceededError("not elected in time");
    const MonoMicros chance_us = NextChanceUs();
    if (now_us >= chance_us) return *watch_.position();
    const MonoMicros wake_us = std::min(chance_us, give_up_us);
    if (wake_us == kNever) {
      changed_.Wait(&mutex_);
    } else {
      changed_.WaitWithTimeout(&mutex_, absl::Microseconds(wake_us - now_us));
    }
  }
}

absl::Status Election::Impl::Jitter() {
  const int64_t jitter_us =
      core_.routes().Jitter(0, absl::ToInt64Microseconds(options_.max_jitter));
  const MonoMicros until_us = core_.clock().Mono() + jitter_us;
  absl::MutexLock lock(&mutex_);
  while (!stopped_) {
    const int64_t left_us = until_us - core_.clock().Mono();
    if (left_us <= 0) return absl::OkStatus();
    changed_.WaitWithTimeout(&mutex_, absl::Microseconds(left_us));
  }
  return absl::CancelledError("the election was stopped");
}

absl::StatusOr<std::unique_ptr<LeaseKeeper>> Election::Impl::Attempt(Seq position,
                                                                     MonoMicros give_up_us) {
  LeaseOptions lease = options_.lease;
  lease.if_last_seq = position;
  int64_t timeout_us = core_.TimeoutUs(lease.call);
  if (give_up_us != kNever) {
    timeout_us = std::clamp<int64_t>(give_up_us - core_.clock().Mono(), 1, timeout_us);
  }
  lease.call.timeout = absl::Microseconds(timeout_us);
  {
    absl::MutexLock lock(&mutex_);
    granted_.reset();
  }
  lease.on_granted = [this](const absl::Status& granted) {
    absl::MutexLock lock(&mutex_);
    granted_ = granted;
    changed_.SignalAll();
  };
  ASSIGN_OR_RETURN(auto keeper, LeaseKeeper::Start(log_, std::move(lease)));
  RETURN_IF_ERROR(AwaitGranted());
  return keeper;
}

// When it was stopped the keeper goes: a lease that is granted all the same expires unused.
absl::Status Election::Impl::AwaitGranted() {
  absl::MutexLock lock(&mutex_);
  while (!granted_ && !stopped_) changed_.Wait(&mutex_);
  if (!granted_) return absl::CancelledError("the election was stopped");
  return *granted_;
}

void Election::Impl::LearnFrom(const absl::Status& status) {
  const std::optional<ErrorInfo> info = GetErrorInfo(status);
  const MonoMicros now_us = core_.clock().Mono();
  absl::MutexLock lock(&mutex_);
  not_before_us_ = now_us + kRetryPauseUs;
  if (!info) return;
  if (info->reason == Reason::kConditionFailed && watch_.position() &&
      info->last_seq > *watch_.position()) {
    // There is more to consume first; once it is, nothing holds us back.
    not_below_ = info->last_seq;
    not_before_us_ = 0;
  } else if (info->reason == Reason::kLeaseHeld) {
    const auto remaining_us = static_cast<int64_t>(info->lease.remaining_ms) * kMicrosPerMilli;
    not_before_us_ = now_us + remaining_us + kRemainingSlackUs;
  }
}

absl::StatusOr<std::unique_ptr<LeaseKeeper>> Election::Impl::Campaign(absl::Duration timeout) {
  const MonoMicros give_up_us =
      timeout == absl::InfiniteDuration()
          ? kNever
          : core_.clock().Mono() + absl::ToInt64Microseconds(std::min(timeout, absl::Hours(24)));
  for (;;) {
    RETURN_IF_ERROR(AwaitChance(give_up_us).status());
    RETURN_IF_ERROR(Jitter());
    // Somebody else may have won during the pause, and the consumer may have moved on.
    ASSIGN_OR_RETURN(const Seq position, AwaitChance(give_up_us));
    absl::StatusOr<std::unique_ptr<LeaseKeeper>> keeper = Attempt(position, give_up_us);
    if (keeper.ok() || IsFinal(keeper.status())) return keeper;
    LearnFrom(keeper.status());
  }
}

Leadership Election::Impl::Observe() const {
  absl::MutexLock lock(&mutex_);
  return {.holder = watch_.holder(), .epoch = watch_.epoch()};
}

void Election::Impl::Stop() {
  absl::MutexLock lock(&mutex_);
  stopped_ = true;
  changed_.SignalAll();
}

Election::Election(const Log& log, ElectionOptions options)
    : impl_(std::make_unique<Impl>(log, std::move(options))) {}
Election::~Election() = default;

void Election::Consumed(const TailEvent& event) { impl_->Consumed(event); }

absl::StatusOr<std::unique_ptr<LeaseKeeper>> Election::Campaign(absl::Duration timeout) {
  return impl_->Campaign(timeout);
}

Leadership Election::Observe() const { return impl_->Observe(); }

absl::Status Election::Resign(LeaseKeeper& keeper, const CallOptions& options) {
  return keeper.Release(options);
}

void Election::Stop() { impl_->Stop(); }

}  // namespace cairn
