// The threaded shell around LeaseKeeperCore: calls, timers, waiting.
//
// Threads: IsSafe reads the deadline's atomics; callers wait on what `mutex_` guards; everything
// else belongs to the client thread.

#include "cairn/lease_keeper.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "cairn/v1/lease.pb.h"
#include "client/src/convert.h"
#include "client/src/core.h"
#include "client/src/error_codec.h"
#include "client/src/lease_keeper_core.h"
#include "client/src/wake_timer.h"
#include "fmt/format.h"

namespace cairn {
namespace {

using client::kNever;
using client::LeaseKeeperCore;
using client::Method;
using Ask = LeaseKeeperCore::Ask;

absl::Status CheckOptions(const LeaseOptions& options) {
  if (options.holder.empty() || options.holder.size() > 255) {
    return absl::InvalidArgumentError("holder: want 1 to 255 bytes");
  }
  if (options.ttl < absl::Milliseconds(100) || options.ttl > absl::Hours(1)) {
    return absl::InvalidArgumentError("ttl: want 100 ms to 1 h");
  }
  if (!(options.drift_margin >= 0.01 && options.drift_margin <= 0.5)) {
    return absl::InvalidArgumentError("drift_margin: want 0.01 to 0.5");
  }
  return absl::OkStatus();
}

// A Release or Transfer that somebody waits for.
struct LeaveRequest {
  std::string heir;
  std::optional<Seq> if_last_seq;
  Epoch heir_epoch;
  // Runs once, on the client thread.
  LeaseKeeper::LeftCallback over;
};

}  // namespace

class LeaseKeeper::Impl : public std::enable_shared_from_this<LeaseKeeper::Impl> {
 public:
  Impl(const Log& log, LeaseOptions options)
      : core_(*log.core()),
        log_(log),
        options_(std::move(options)),
        logic_({.holder = options_.holder,
                // In whole milliseconds, as the log is told.
                .ttl_us = absl::ToInt64Milliseconds(options_.ttl) * kMicrosPerMilli,
                .drift_margin = options_.drift_margin,
                .acquire_timeout_us = core_.TimeoutUs(options_.call)}) {}

  void Start(std::optional<Epoch> epoch);
  absl::Status AwaitGranted();
  void Shutdown();

  [[nodiscard]] bool IsSafe() const { return logic_.deadline().IsSafe(core_.clock().Mono()); }
  [[nodiscard]] absl::Duration SafeFor() const {
    return absl::Microseconds(logic_.deadline().SafeForUs(core_.clock().Mono()));
  }
  [[nodiscard]] Epoch epoch() const { return Epoch{epoch_.load(std::memory_order_acquire)}; }
  [[nodiscard]] Seq granted_last_seq() const;
  bool WaitLost(absl::Duration timeout);
  absl::Status status() const;
  // Begins to leave; `request->over` tells the end.
  void Leave(Ask ask, const std::shared_ptr<LeaveRequest>& request, const CallOptions& options);
  absl::Status LeaveAndWait(Ask ask, const std::shared_ptr<LeaveRequest>& request,
                            const CallOptions& options);

 private:
  // The client thread.
  void Perform(LeaseKeeperCore::Actions actions);
  void OnTimer();
  void Send(Ask ask, int64_t timeout_us);
  void SendAcquire(const client::CallSpec& spec);
  void SendGet(const client::CallSpec& spec);
  void SendRenew(const client::CallSpec& spec);
  void SendRelease(const client::CallSpec& spec);
  void SendTransfer(const client::CallSpec& spec);
  void TellGranted(const absl::Status& status);
  void TellLost(const absl::Status& status);

  template <class Request>
  Request ForLease() const;
  // Makes the call and brings its answer back to the client thread.
  template <class Response, class Request>
  void Call(const client::CallSpec& spec, const Request& request,
            std::function<LeaseKeeperCore::Actions(absl::StatusOr<Response>)> on_answer);

  [[nodiscard]] MonoMicros Now() const { return core_.clock().Mono(); }

  client::Core& core_;
  const Log log_;
  const LeaseOptions options_;
  // The client thread's, but for its deadline.
  LeaseKeeperCore logic_;
  std::optional<client::WakeTimer> timer_;
  std::shared_ptr<LeaveRequest> leaving_;
  bool silenced_ = false;  // The owner is going: no callback any more.

  std::atomic<uint64_t> epoch_{0};
  mutable absl::Mutex mutex_;
  absl::CondVar changed_;
  std::optional<absl::Status> granted_ ABSL_GUARDED_BY(mutex_);
  Seq granted_last_seq_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> lost_ ABSL_GUARDED_BY(mutex_);
};

void LeaseKeeper::Impl::Start(std::optional<Epoch> epoch) {
  timer_.emplace(core_.executor(), [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->OnTimer();
  });
  core_.executor().Post([self = shared_from_this(), epoch] {
    self->Perform(self->logic_.Start(epoch, self->Now()));
  });
}

absl::Status LeaseKeeper::Impl::AwaitGranted() {
  absl::MutexLock lock(&mutex_);
  while (!granted_) changed_.Wait(&mutex_);
  return *granted_;
}

void LeaseKeeper::Impl::Shutdown() {
  core_.executor().RunAndWait([this] {
    silenced_ = true;
    const absl::Status gone = absl::CancelledError("the keeper was destroyed");
    Perform(logic_.Close(gone));
    // It may be done all the same.
    if (leaving_) std::exchange(leaving_, nullptr)->over(client::MarkUnknown(gone));
  });
}

void LeaseKeeper::Impl::Perform(LeaseKeeperCore::Actions actions) {
  if (actions.granted) TellGranted(*actions.granted);
  if (actions.lost) TellLost(*actions.lost);
  if (actions.at_risk && options_.on_at_risk && !silenced_) options_.on_at_risk();
  if (actions.left && leaving_) std::exchange(leaving_, nullptr)->over(*actions.left);
  if (actions.ask) Send(*actions.ask, actions.timeout_us);
  if (logic_.wake_at_us() != kNever) timer_->WakeAt(logic_.wake_at_us(), Now());
}

void LeaseKeeper::Impl::TellGranted(const absl::Status& status) {
  epoch_.store(logic_.epoch().value(), std::memory_order_release);
  {
    absl::MutexLock lock(&mutex_);
    granted_ = status;
    granted_last_seq_ = logic_.granted_last_seq();
    if (!status.ok()) lost_ = status;
    changed_.SignalAll();
  }
  if (options_.on_granted && !silenced_) options_.on_granted(status);
}

void LeaseKeeper::Impl::TellLost(const absl::Status& status) {
  {
    absl::MutexLock lock(&mutex_);
    lost_ = status;
    changed_.SignalAll();
  }
  if (options_.on_lost && !silenced_) options_.on_lost(status);
}

void LeaseKeeper::Impl::OnTimer() {
  timer_->Fired();
  Perform(logic_.OnTimer(Now()));
}

template <class Request>
Request LeaseKeeper::Impl::ForLease() const {
  Request request;
  request.set_log(log_.name());
  request.set_log_id(log_.id().value());
  request.set_name(options_.lease_name);
  return request;
}

template <class Response, class Request>
void LeaseKeeper::Impl::Call(
    const client::CallSpec& spec, const Request& request,
    std::function<LeaseKeeperCore::Actions(absl::StatusOr<Response>)> on_answer) {
  core_.CallFor<Response>(
      spec, request,
      [self = shared_from_this(), on_answer = std::move(on_answer)](absl::StatusOr<Response> got) {
        self->core_.executor().Post([self, on_answer, got = std::move(got)]() mutable {
          self->Perform(on_answer(std::move(got)));
        });
      });
}

void LeaseKeeper::Impl::Send(Ask ask, int64_t timeout_us) {
  client::CallSpec spec;
  spec.log = log_.name();
  spec.options.timeout = absl::Microseconds(timeout_us);
  spec.traits = {.idempotent = ask != Ask::kAcquire && ask != Ask::kTransfer,
                 .log_known = true,
                 .wait_out_storage_full = false};
  switch (ask) {
    case Ask::kAcquire:
      return SendAcquire(spec);
    case Ask::kGet:
      return SendGet(spec);
    case Ask::kRenew:
      return SendRenew(spec);
    case Ask::kRelease:
      return SendRelease(spec);
    case Ask::kTransfer:
      return SendTransfer(spec);
  }
  CHECK_UNREACHABLE();
}

void LeaseKeeper::Impl::SendAcquire(const client::CallSpec& spec) {
  auto request = ForLease<v1::AcquireRequest>();
  request.set_holder(options_.holder);
  request.set_ttl_ms(static_cast<uint64_t>(absl::ToInt64Milliseconds(options_.ttl)));
  if (options_.if_last_seq) request.set_if_last_seq(options_.if_last_seq->value());
  client::CallSpec call = spec;
  call.method = Method::kAcquire;
  Call<v1::AcquireResponse>(call, request, [this](absl::StatusOr<v1::AcquireResponse> got) {
    if (!got.ok()) return logic_.OnAcquired(got.status(), Now());
    return logic_.OnAcquired(LeaseKeeperCore::Grant{Epoch{got->epoch()}, Seq{got->last_seq()}},
                             Now());
  });
}

void LeaseKeeper::Impl::SendGet(const client::CallSpec& spec) {
  client::CallSpec call = spec;
  call.method = Method::kGetLease;
  Call<v1::GetResponse>(call, ForLease<v1::GetRequest>(),
                        [this](absl::StatusOr<v1::GetResponse> got) {
                          if (!got.ok()) return logic_.OnLease(got.status(), Now());
                          return logic_.OnLease(client::FromProto(got->lease()), Now());
                        });
}

void LeaseKeeper::Impl::SendRenew(const client::CallSpec& spec) {
  auto request = ForLease<v1::RenewRequest>();
  request.set_epoch(logic_.epoch().value());
  client::CallSpec call = spec;
  call.method = Method::kRenew;
  Call<v1::RenewResponse>(call, request, [this](absl::StatusOr<v1::RenewResponse> got) {
    if (!got.ok()) return logic_.OnRenewed(got.status(), Now());
    return logic_.OnRenewed(client::LeaseTtlUs(got->ttl_ms()), Now());
  });
}

void LeaseKeeper::Impl::SendRelease(const client::CallSpec& spec) {
  auto request = ForLease<v1::ReleaseRequest>();
  request.set_epoch(logic_.epoch().value());
  client::CallSpec call = spec;
  call.method = Method::kRelease;
  Call<v1::ReleaseResponse>(call, request, [this](const absl::StatusOr<v1::ReleaseResponse>& got) {
    return logic_.OnLeft(got.status(), Now());
  });
}

void LeaseKeeper::Impl::SendTransfer(const client::CallSpec& spec) {
  auto request = ForLease<v1::TransferRequest>();
  request.set_epoch(logic_.epoch().value());
  request.set_to(leaving_->heir);
  if (leaving_->if_last_seq) request.set_if_last_seq(leaving_->if_last_seq->value());
  client::CallSpec call = spec;
  call.method = Method::kTransfer;
  Call<v1::TransferResponse>(call, request,
                             [this](const absl::StatusOr<v1::TransferResponse>& got) {
                               if (got.ok() && leaving_) leaving_->heir_epoch = Epoch{got->epoch()};
                               return logic_.OnLeft(got.status(), Now());
                             });
}

Seq LeaseKeeper::Impl::granted_last_seq() const {
  absl::MutexLock lock(&mutex_);
  return granted_last_seq_;
}

bool LeaseKeeper::Impl::WaitLost(absl::Duration timeout) {
  const absl::Time deadline =
      timeout == absl::InfiniteDuration() ? absl::InfiniteFuture() : absl::Now() + timeout;
  absl::MutexLock lock(&mutex_);
  while (!lost_) {
    if (changed_.WaitWithDeadline(&mutex_, deadline)) break;
  }
  return lost_.has_value();
}

absl::Status LeaseKeeper::Impl::status() const {
  {
    absl::MutexLock lock(&mutex_);
    if (lost_) return *lost_;
  }
  // The clock may have told IsSafe before the timer told us.
  if (IsSafe()) return absl::OkStatus();
  return absl::DeadlineExceededError("not entitled at this moment");
}

void LeaseKeeper::Impl::Leave(Ask ask, const std::shared_ptr<LeaveRequest>& request,
                              const CallOptions& options) {
  logic_.deadline().Suspend();
  const int64_t timeout_us = core_.TimeoutUs(options);
  core_.executor().Post([self = shared_from_this(), ask, request, timeout_us] {
    if (self->leaving_) {
      self->logic_.deadline().Resume();
      request->over(absl::FailedPreconditionError("the lease is being given up already"));
      return;
    }
    self->leaving_ = request;
    self->Perform(self->logic_.Leave(ask, timeout_us, self->Now()));
  });
}

absl::Status LeaseKeeper::Impl::LeaveAndWait(Ask ask, const std::shared_ptr<LeaveRequest>& request,
                                             const CallOptions& options) {
  // Shared with the callback, which may still be inside Notify when the wait is over.
  struct Wait {
    absl::Status result;
    absl::Notification over;
  };
  const auto wait = std::make_shared<Wait>();
  request->over = [wait](const absl::Status& status) {
    wait->result = status;
    wait->over.Notify();
  };
  Leave(ask, request, options);
  wait->over.WaitForNotification();
  return wait->result;
}

absl::StatusOr<std::unique_ptr<LeaseKeeper>> LeaseKeeper::Start(const Log& log,
                                                                LeaseOptions options) {
  return Begin(log, std::nullopt, std::move(options));
}

absl::StatusOr<std::unique_ptr<LeaseKeeper>> LeaseKeeper::Begin(const Log& log,
                                                                std::optional<Epoch> epoch,
                                                                LeaseOptions options) {
  RETURN_IF_ERROR(CheckOptions(options));
  auto impl = std::make_shared<Impl>(log, std::move(options));
  impl->Start(epoch);
  return std::unique_ptr<LeaseKeeper>(new LeaseKeeper(std::move(impl)));
}

absl::StatusOr<std::unique_ptr<LeaseKeeper>> LeaseKeeper::Acquire(const Log& log,
                                                                  LeaseOptions options) {
  ASSIGN_OR_RETURN(std::unique_ptr<LeaseKeeper> keeper,
                   Begin(log, std::nullopt, std::move(options)));
  RETURN_IF_ERROR(keeper->impl_->AwaitGranted());
  return keeper;
}

absl::StatusOr<std::unique_ptr<LeaseKeeper>> LeaseKeeper::Adopt(const Log& log, Epoch epoch,
                                                                LeaseOptions options) {
  ASSIGN_OR_RETURN(std::unique_ptr<LeaseKeeper> keeper, Begin(log, epoch, std::move(options)));
  RETURN_IF_ERROR(keeper->impl_->AwaitGranted());
  return keeper;
}

LeaseKeeper::LeaseKeeper(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
LeaseKeeper::~LeaseKeeper() { impl_->Shutdown(); }

bool LeaseKeeper::IsSafe() const { return impl_->IsSafe(); }
absl::Duration LeaseKeeper::SafeFor() const { return impl_->SafeFor(); }
Epoch LeaseKeeper::epoch() const { return impl_->epoch(); }
Seq LeaseKeeper::granted_last_seq() const { return impl_->granted_last_seq(); }
bool LeaseKeeper::WaitLost(absl::Duration timeout) { return impl_->WaitLost(timeout); }
absl::Status LeaseKeeper::status() const { return impl_->status(); }

absl::Status LeaseKeeper::Release(const CallOptions& options) {
  return impl_->LeaveAndWait(Ask::kRelease, std::make_shared<LeaveRequest>(), options);
}

void LeaseKeeper::ReleaseAsync(LeftCallback done, const CallOptions& options) {
  auto request = std::make_shared<LeaveRequest>();
  request->over = std::move(done);
  impl_->Leave(Ask::kRelease, request, options);
}

absl::StatusOr<Epoch> LeaseKeeper::Transfer(std::string_view heir, std::optional<Seq> if_last_seq,
                                            const CallOptions& options) {
  auto request = std::make_shared<LeaveRequest>();
  request->heir = std::string(heir);
  request->if_last_seq = if_last_seq;
  RETURN_IF_ERROR(impl_->LeaveAndWait(Ask::kTransfer, request, options));
  return request->heir_epoch;
}

}  // namespace cairn
