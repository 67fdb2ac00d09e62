#include "adapter/lease_desk.h"

#include <algorithm>
#include <asio/co_spawn.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <chrono>
#include <exception>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "cairn/error.h"

namespace cairn::adapter {
namespace {

// Between two acquisitions of a lease that somebody holds; its end is seen in the log as well.
constexpr int64_t kMaxRetryUs = 50 * kMicrosPerMilli;

Refusal RefusalOf(const absl::Status& status) {
  switch (GetReason(status)) {
    case Reason::kLeaseHeld:
      return Refusal::kHeld;
    case Reason::kConditionFailed:
      return Refusal::kConditionFailed;
    case Reason::kNotCaughtUp:
      return Refusal::kNotCaughtUp;
    case Reason::kLeaseLost:
      return Refusal::kLeaseLost;
    default:
      return Refusal::kOther;
  }
}

bool IsCertain(const absl::Status& status) {
  return !IsUnknownOutcome(status) && !absl::IsDeadlineExceeded(status) &&
         !absl::IsUnavailable(status) && !absl::IsCancelled(status);
}

RoleEvent AttemptFailed(uint64_t attempt, const absl::Status& status) {
  if (!IsCertain(status)) return AttemptUnknownEvent{attempt};
  RefusedEvent refused{.attempt = attempt, .why = RefusalOf(status)};
  if (refused.why == Refusal::kHeld) {
    const std::optional<ErrorInfo> info = GetErrorInfo(status);
    const auto remaining_ms = static_cast<int64_t>(info ? info->lease.remaining_ms : 0);
    refused.retry_after_us = std::min(remaining_ms * kMicrosPerMilli, kMaxRetryUs);
  }
  return refused;
}

}  // namespace

LeaseDesk::LeaseDesk(asio::any_io_executor executor, Background* background, Log log,
                     Options options, const HolderNames* names, const Clock* clock, Tell tell)
    : executor_(std::move(executor)),
      background_(background),
      log_(std::move(log)),
      options_(std::move(options)),
      names_(names),
      clock_(clock),
      tell_(std::move(tell)),
      self_(std::make_shared<LeaseDesk*>(this)),
      guard_(std::make_shared<LeaseGuard>(clock_)) {}

LeaseDesk::~LeaseDesk() {
  CHECK_EQ(under_way_, size_t{0});
  *self_ = nullptr;
  LetGo();
}

void LeaseDesk::Spawn(asio::awaitable<void> coroutine) {
  ++under_way_;
  asio::co_spawn(executor_, std::move(coroutine), [this](const std::exception_ptr& error) {
    if (error) std::rethrow_exception(error);
    --under_way_;
  });
}

LeaseOptions LeaseDesk::KeeperOptions(uint64_t attempt, const std::shared_ptr<LeaseGuard>& guard) {
  LeaseOptions options;
  options.lease_name = options_.lease_name;
  options.holder = names_->ForAttempt(attempt);
  options.ttl = options_.ttl;
  options.call.timeout = options_.call_timeout;
  options.on_lost = [guard, self = self_, executor = executor_](const absl::Status& why) {
    // A Transfer may be refused, and then the lease is as safe as it was.
    if (!absl::IsCancelled(why)) guard->Revoke();
    asio::post(executor, [self] {
      if (*self != nullptr) (*self)->Look();
    });
  };
  return options;
}

void LeaseDesk::Attempt(uint64_t attempt, std::shared_ptr<LeaseGuard> guard,
                        std::function<Granted()> acquire) {
  LetGo();
  Spawn(RunAttempt(attempt, std::move(guard), std::move(acquire)));
}

asio::awaitable<void> LeaseDesk::RunAttempt(uint64_t attempt, std::shared_ptr<LeaseGuard> guard,
                                            std::function<Granted()> acquire) {
  Granted keeper = co_await background_->Run(std::move(acquire));
  denial_.Note("the lease is not given", keeper.status());
  if (!keeper.ok()) {
    tell_(AttemptFailed(attempt, keeper.status()));
    co_return;
  }
  keeper_ = *std::move(keeper);
  guard_ = std::move(guard);
  // Read before the rest of the time is: the sum is never too late.
  const MonoMicros now_us = clock_->Mono();
  const MonoMicros until_us = now_us + absl::ToInt64Microseconds(keeper_->SafeFor());
  guard_->SetSafeUntil(until_us);
  tell_(GrantedEvent{attempt, keeper_->epoch(), until_us});
}

void LeaseDesk::Do(const CampaignOrder& order) {
  auto guard = std::make_shared<LeaseGuard>(clock_);
  LeaseOptions options = KeeperOptions(order.attempt, guard);
  options.if_last_seq = order.if_last_seq;
  Attempt(order.attempt, guard,
          [log = log_, options]() -> Granted { return LeaseKeeper::Acquire(log, options); });
}

void LeaseDesk::Do(const TakeOverOrder& order) {
  auto guard = std::make_shared<LeaseGuard>(clock_);
  LeaseOptions options = KeeperOptions(order.attempt, guard);
  Attempt(order.attempt, guard, [log = log_, options, order]() mutable -> Granted {
    ASSIGN_OR_RETURN(const Epoch epoch,
                     log.TransferLease(options.lease_name, order.epoch, options.holder, options.ttl,
                                       order.if_last_seq, options.call));
    return LeaseKeeper::Adopt(log, epoch, options);
  });
}

void LeaseDesk::Do(const AdoptLeaseOrder& order) {
  auto guard = std::make_shared<LeaseGuard>(clock_);
  const LeaseOptions options = KeeperOptions(order.attempt, guard);
  Attempt(order.attempt, guard, [log = log_, options, order]() -> Granted {
    return LeaseKeeper::Adopt(log, order.epoch, options);
  });
}

void LeaseDesk::Do(const TransferOrder& order) {
  guard_->SetSafeUntil(0);
  transferring_ = true;
  Spawn(RunTransfer(order));
}

asio::awaitable<void> LeaseDesk::RunTransfer(TransferOrder order) {
  const std::shared_ptr<LeaseKeeper> keeper = keeper_;
  absl::StatusOr<Epoch> heir_epoch = absl::CancelledError("the lease is not held any more");
  if (keeper != nullptr && keeper->epoch() == order.epoch) {
    auto transfer = [keeper, order, timeout = options_.call_timeout] {
      return keeper->Transfer(order.heir, order.if_last_seq, {.timeout = timeout});
    };
    heir_epoch = co_await background_->Run(std::move(transfer));
  }
  transferring_ = false;
  if (heir_epoch.ok()) {
    LetGo();
    tell_(TransferredEvent{*heir_epoch});
  } else if (IsCertain(heir_epoch.status())) {
    Look();
    tell_(NotTransferredEvent{RefusalOf(heir_epoch.status())});
  } else {
    LetGo();
    tell_(TransferUnknownEvent{});
  }
}

void LeaseDesk::Do(const ReleaseOrder& order) {
  std::shared_ptr<LeaseKeeper> keeper;
  if (keeper_ != nullptr && keeper_->epoch() == order.epoch) keeper = keeper_;
  if (keeper != nullptr) LetGo();
  Spawn(RunRelease(order.epoch, std::move(keeper)));
}

asio::awaitable<void> LeaseDesk::RunRelease(Epoch epoch, std::shared_ptr<LeaseKeeper> keeper) {
  auto release = [keeper, log = log_, epoch, options = options_]() mutable {
    const CallOptions call{.timeout = options.call_timeout};
    if (keeper != nullptr) return keeper->Release(call);
    return log.ReleaseLease(options.lease_name, epoch, call);
  };
  // Whatever comes of it: at the latest the lease runs out.
  (void)co_await background_->Run(std::move(release));
}

void LeaseDesk::Do(const DropLeaseOrder& order) {
  if (keeper_ != nullptr && keeper_->epoch() == order.epoch) LetGo();
}

// What was held counts no more; whoever releases it goes on with the keeper.
void LeaseDesk::LetGo() {
  guard_->Revoke();
  keeper_.reset();
}

void LeaseDesk::Look() {
  if (keeper_ == nullptr || transferring_) return;
  const MonoMicros now_us = clock_->Mono();
  const absl::Duration safe_for = keeper_->SafeFor();
  const Epoch epoch = keeper_->epoch();
  if (safe_for > absl::ZeroDuration()) {
    const MonoMicros until_us = now_us + absl::ToInt64Microseconds(safe_for);
    guard_->SetSafeUntil(until_us);
    tell_(LeaseSafeEvent{epoch, until_us});
    return;
  }
  LetGo();
  tell_(LeaseLostEvent{epoch});
}

asio::awaitable<void> LeaseDesk::Stop() {
  asio::steady_timer pause(executor_);
  while (under_way_ > 0) {
    pause.expires_after(std::chrono::milliseconds(2));
    co_await pause.async_wait(asio::use_awaitable);
  }
  LetGo();
}

}  // namespace cairn::adapter
