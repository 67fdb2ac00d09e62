#include "client/src/lease_keeper_core.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/planted_bug.h"
#include "cairn/error.h"
#include "client/src/error_codec.h"
#include "fmt/format.h"

namespace cairn::client {
namespace {

constexpr int64_t kMinRetryPauseUs = 5 * kMicrosPerMilli;
constexpr int64_t kMaxRetryPauseUs = 200 * kMicrosPerMilli;
constexpr int64_t kMinRenewTimeoutUs = 50 * kMicrosPerMilli;
// An Acquire cannot be repeated blindly. One that got no answer for that long is looked up at the
// log instead of waited for, since its node may be stopped or cut off.
constexpr int64_t kAcquireTryUs = 2 * kMicrosPerSecond;

// The log itself says that this epoch is over. Anything else may pass before the time is up.
bool EndsEpoch(const absl::Status& status) {
  const Reason reason = GetReason(status);
  return reason == Reason::kLeaseLost || reason == Reason::kLogRecreated ||
         reason == Reason::kLogNotFound;
}

bool CertainlyNotDone(const absl::Status& status) {
  return !IsUnknownOutcome(status) && (IsRefusal(status) || WasNeverSent(status));
}

absl::Status HeldBy(const LeaseInfo& lease) {
  v1::ErrorInfo info;
  info.set_reason(v1::REASON_LEASE_HELD);
  info.mutable_lease()->set_name(lease.name);
  info.mutable_lease()->set_holder(lease.holder);
  info.mutable_lease()->set_epoch(lease.epoch.value());
  info.mutable_lease()->set_ttl_ms(lease.ttl_ms);
  info.mutable_lease()->set_remaining_ms(lease.remaining_ms);
  return RefusalStatus(
      static_cast<int>(absl::StatusCode::kFailedPrecondition),
      fmt::format("lease {} is held by {}, epoch {}", lease.name, lease.holder, lease.epoch), info);
}

}  // namespace

LeaseKeeperCore::Actions LeaseKeeperCore::Start(std::optional<Epoch> epoch, MonoMicros now_us) {
  CHECK(phase_ == Phase::kNew);
  Actions actions;
  ttl_us_ = options_.ttl_us;
  give_up_us_ = now_us + options_.acquire_timeout_us;
  if (epoch) {
    epoch_ = *epoch;
    phase_ = Phase::kConfirming;
    Renew(now_us, actions);
  } else {
    Acquire(now_us, actions);
  }
  return actions;
}

void LeaseKeeperCore::AskTo(Ask ask, int64_t timeout_us, Actions& actions) {
  CHECK(!actions.ask.has_value());
  actions.ask = ask;
  actions.timeout_us = std::max<int64_t>(timeout_us, kMicrosPerMilli);
}

void LeaseKeeperCore::Acquire(MonoMicros now_us, Actions& actions) {
  phase_ = Phase::kAcquiring;
  sent_us_ = now_us;
  AskTo(Ask::kAcquire, std::min(give_up_us_ - now_us, kAcquireTryUs), actions);
}

void LeaseKeeperCore::Resolve(MonoMicros now_us, Actions& actions) {
  phase_ = Phase::kResolving;
  AskTo(Ask::kGet, give_up_us_ - now_us, actions);
}

void LeaseKeeperCore::Renew(MonoMicros now_us, Actions& actions) {
  renewing_ = true;
  renew_at_us_ = kNever;
  sent_us_ = now_us;
  // Renewed in time or not at all: a later one begins with a later moment of sending.
  AskTo(Ask::kRenew, std::max(ttl_us_ / 3, kMinRenewTimeoutUs), actions);
}

LeaseKeeperCore::Actions LeaseKeeperCore::OnAcquired(const absl::StatusOr<Grant>& grant,
                                                     MonoMicros now_us) {
  Actions actions;
  if (phase_ != Phase::kAcquiring) return actions;
  if (grant.ok()) {
    granted_last_seq_ = grant->last_seq;
    Take(grant->epoch, sent_us_, now_us, actions);
    return actions;
  }
  const absl::Status& status = grant.status();
  const std::optional<ErrorInfo> info = GetErrorInfo(status);
  if (IsUnknownOutcome(status)) {
    // It may have been granted. Our holder name is nobody else's, so the log can tell.
    if (!open_since_us_) open_since_us_ = sent_us_;
    if (now_us >= give_up_us_) {
      Refuse(status, actions);
    } else {
      Resolve(now_us, actions);
    }
  } else if (open_since_us_ && info && info->reason == Reason::kLeaseHeld &&
             info->lease.holder == options_.holder) {
    Take(info->lease.epoch, *open_since_us_, now_us, actions);  // An earlier try had won.
  } else if (open_since_us_ && info && info->reason == Reason::kConditionFailed &&
             now_us < give_up_us_) {
    later_refusal_ = status;  // The record that moved the log may be our own grant.
    Resolve(now_us, actions);
  } else {
    Refuse(status, actions);
  }
  return actions;
}

LeaseKeeperCore::Actions LeaseKeeperCore::OnLease(const absl::StatusOr<LeaseInfo>& lease,
                                                  MonoMicros now_us) {
  Actions actions;
  if (phase_ != Phase::kResolving) return actions;
  if (!lease.ok()) {
    Refuse(MarkUnknown(lease.status()), actions);
  } else if (lease->holder == options_.holder) {
    Take(lease->epoch, *open_since_us_, now_us, actions);
  } else if (later_refusal_) {
    Refuse(*later_refusal_, actions);
  } else if (!lease->holder.empty()) {
    Refuse(HeldBy(*lease), actions);
  } else if (now_us >= give_up_us_) {
    Refuse(MarkUnknown(absl::DeadlineExceededError("no time left to acquire the lease")), actions);
  } else {
    Acquire(now_us, actions);
  }
  return actions;
}

void LeaseKeeperCore::Take(Epoch epoch, MonoMicros sent_us, MonoMicros now_us, Actions& actions) {
  epoch_ = epoch;
  // A keeper that is told "granted" must have time to act on it.
  if (sent_us + SafeUs() - now_us >= SafeUs() / 4) return Hold(sent_us, actions);
  phase_ = Phase::kConfirming;
  Renew(now_us, actions);
}

void LeaseKeeperCore::Hold(MonoMicros sent_us, Actions& actions) {
  phase_ = Phase::kHolding;
  deadline_.Begin(sent_us + SafeUs());
  PlanRenewal(sent_us);
  actions.granted = absl::OkStatus();
}

void LeaseKeeperCore::PlanRenewal(MonoMicros sent_us) {
  renew_at_us_ = sent_us + ttl_us_ / 3;
  risk_at_us_ = sent_us + SafeUs() / 2;
}

LeaseKeeperCore::Actions LeaseKeeperCore::OnRenewed(const absl::StatusOr<int64_t>& ttl_us,
                                                    MonoMicros now_us) {
  Actions actions;
  renewing_ = false;
  denied_.reset();
  // A node that has yet to hear of a right may say so too: what is held is not given up for it
  // before its time.
  if (IsDenied(ttl_us.status())) denied_ = ttl_us.status();
  if (ttl_us.ok() && *ttl_us > 0) ttl_us_ = *ttl_us;
  if (phase_ == Phase::kConfirming) {
    OnConfirmed(ttl_us, now_us, actions);
  } else if (phase_ == Phase::kHolding || phase_ == Phase::kLeaving) {
    if (ttl_us.ok()) {
      if (PLANTED(kTtlFromReply)) sent_us_ = now_us;
      PlanRenewal(sent_us_);
      if (!deadline_.Extend(sent_us_ + SafeUs(), now_us)) {
        Lose(absl::DeadlineExceededError("the renewal came too late"), actions);
      }
    } else if (EndsEpoch(ttl_us.status())) {
      Lose(ttl_us.status(), actions);
    } else {
      renew_at_us_ = now_us + RetryPauseUs();
    }
  }
  return actions;
}

void LeaseKeeperCore::OnConfirmed(const absl::StatusOr<int64_t>& ttl_us, MonoMicros now_us,
                                  Actions& actions) {
  if (ttl_us.ok() && sent_us_ + SafeUs() > now_us) return Hold(sent_us_, actions);
  if (!ttl_us.ok() && (EndsEpoch(ttl_us.status()) || denied_))
    return Refuse(ttl_us.status(), actions);
  if (now_us >= give_up_us_) {
    return Refuse(MarkUnknown(absl::DeadlineExceededError("the lease could not be confirmed")),
                  actions);
  }
  renew_at_us_ = now_us + RetryPauseUs();
}

LeaseKeeperCore::Actions LeaseKeeperCore::OnTimer(MonoMicros now_us) {
  Actions actions;
  if (phase_ == Phase::kHolding || phase_ == Phase::kLeaving) {
    // Another thread's look may have been first to see it.
    if (deadline_.lost() || now_us >= deadline_.until_us()) {
      Lose(denied_.value_or(absl::DeadlineExceededError(
               fmt::format("epoch {}: no renewal within the safe time", epoch_))),
           actions);
      return actions;
    }
    if (now_us >= risk_at_us_) {
      risk_at_us_ = kNever;
      actions.at_risk = true;
    }
  }
  const bool may_renew = phase_ == Phase::kHolding || phase_ == Phase::kConfirming;
  if (may_renew && !renewing_ && now_us >= renew_at_us_) Renew(now_us, actions);
  return actions;
}

LeaseKeeperCore::Actions LeaseKeeperCore::Leave(Ask ask, int64_t timeout_us, MonoMicros now_us) {
  CHECK(ask == Ask::kRelease || ask == Ask::kTransfer);
  Actions actions;
  if (phase_ != Phase::kHolding || now_us >= deadline_.until_us()) {
    deadline_.Resume();
    actions.left = absl::FailedPreconditionError(
        fmt::format("epoch {} is not held, or is being given up", epoch_));
    return actions;
  }
  phase_ = Phase::kLeaving;
  leaving_ = ask;
  AskTo(ask, timeout_us, actions);
  return actions;
}

LeaseKeeperCore::Actions LeaseKeeperCore::OnLeft(const absl::Status& status, MonoMicros) {
  Actions actions;
  const bool ended = GetReason(status) == Reason::kLeaseLost;
  // A release that finds the epoch ended has got what it wanted.
  actions.left = ended && leaving_ == Ask::kRelease ? absl::OkStatus() : status;
  if (phase_ != Phase::kLeaving) return actions;  // The time ran out meanwhile.
  if (status.ok()) {
    Lose(absl::CancelledError("the lease was given up"), actions);
  } else if (!ended && CertainlyNotDone(status)) {
    phase_ = Phase::kHolding;
    deadline_.Resume();
  } else {
    Lose(status, actions);
  }
  return actions;
}

LeaseKeeperCore::Actions LeaseKeeperCore::Close(const absl::Status& status) {
  Actions actions;
  if (phase_ == Phase::kHolding || phase_ == Phase::kLeaving) {
    Lose(status, actions);
  } else if (phase_ != Phase::kLost) {
    Refuse(status, actions);
  }
  return actions;
}

void LeaseKeeperCore::Refuse(absl::Status status, Actions& actions) {
  phase_ = Phase::kLost;
  actions.granted = std::move(status);
}

void LeaseKeeperCore::Lose(absl::Status status, Actions& actions) {
  deadline_.Lose();
  phase_ = Phase::kLost;
  actions.lost = std::move(status);
}

int64_t LeaseKeeperCore::SafeUs() const {
  return static_cast<int64_t>(static_cast<double>(ttl_us_) * (1.0 - options_.drift_margin));
}

int64_t LeaseKeeperCore::RetryPauseUs() const {
  return std::clamp(ttl_us_ / 20, kMinRetryPauseUs, kMaxRetryPauseUs);
}

MonoMicros LeaseKeeperCore::wake_at_us() const {
  switch (phase_) {
    case Phase::kHolding:
      return std::min({deadline_.until_us(), risk_at_us_, renewing_ ? kNever : renew_at_us_});
    case Phase::kLeaving:
      return std::min(deadline_.until_us(), risk_at_us_);
    case Phase::kConfirming:
      return renewing_ ? kNever : renew_at_us_;
    default:
      return kNever;
  }
}

}  // namespace cairn::client
