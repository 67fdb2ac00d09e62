// Role: hand-over, step down, stop.
//
// A hand-over loses and refuses no write. New writes wait in the front; those that are under way
// are committed and answered; then the lease is transferred on the condition that nothing came
// behind them. From the Transfer on nobody is answered. What waited was never sent to the engine:
// when the heir reigns, the front tells these clients to go there.
#include <utility>

#include "adapter/role.h"

namespace cairn::adapter {

void Role::Leave(std::string heir) {
  heir_ = std::move(heir);
  leave_until_us_ = now_us_ + options_.pause_patience_us;
  state_ = RoleState::kLeaving;
  SetFront(FrontMode::kPausing);
  Drain();
}

void Role::Drain() {
  leaving_ = Leaving::kDraining;
  Order(DrainOrder{++drain_});
}

void Role::StayPrimary(std::string_view why) {
  Report(why);
  reported_ = {};  // The next failure is another event.
  state_ = RoleState::kPrimary;
  SetFront(FrontMode::kPrimary);
}

void Role::ProceedLeaving() {
  // An answer to the Transfer comes, or the lease ends: until then nothing may be undone.
  if (leaving_ == Leaving::kTransferring) return;
  if (now_us_ >= leave_until_us_) {
    if (heir_.empty() || stopping_) return Fence(Ending::kReleased);
    return StayPrimary("not handed over: it took too long");
  }
  if (leaving_ == Leaving::kRetrying && now_us_ >= drain_at_us_) Drain();
}

void Role::On(const DrainedEvent& e) {
  if (state_ != RoleState::kLeaving || leaving_ != Leaving::kDraining) return;
  if (e.drain != drain_) return;  // Of an earlier try, before writes went on.
  if (heir_.empty()) return Fence(Ending::kReleased);
  leaving_ = Leaving::kTransferring;
  SetFront(FrontMode::kHolding);
  Order(TransferOrder{epoch_, heir_, e.last_seq});
}

void Role::On(const TransferredEvent& e) {
  if (!Transfers()) return;
  if (publishing_) Order(StopPublisherOrder{});
  attaching_ = false;
  attach_at_us_.reset();
  released_epoch_ = epoch_;
  state_ = RoleState::kFenced;
  awaited_epoch_ = e.heir_epoch;
  leave_until_us_ = now_us_ + options_.pause_patience_us;
  Report("handed over");
  reported_ = {};
}

// Certainly not done: the keeper is entitled again.
void Role::On(const NotTransferredEvent& e) {
  if (!Transfers()) return;
  switch (e.why) {
    case Refusal::kLeaseLost:
      return Fence(Ending::kLost);
    case Refusal::kConditionFailed:  // An effect of the engine's own, such as an expiry.
    case Refusal::kNotCaughtUp:
      leaving_ = Leaving::kRetrying;
      drain_at_us_ = now_us_ + options_.retry_us;
      return SetFront(FrontMode::kPausing);
    case Refusal::kHeld:
    case Refusal::kOther:
      leaving_ = Leaving::kRetrying;
      leave_until_us_ = now_us_;
      return;
  }
}

void Role::On(const TransferUnknownEvent&) {
  if (Transfers()) Fence(Ending::kLost);
}

void Role::On(const HandOverEvent& e) {
  if (e.heir.empty() || state_ != RoleState::kPrimary || attaching_ || attach_at_us_) {
    Report("not handed over: this agent is not a settled primary");
    reported_ = {};
    return;
  }
  Leave(e.heir);
}

void Role::On(const StepDownEvent&) {
  if (state_ == RoleState::kPrimary) return Leave({});
  if (state_ == RoleState::kTaking) return Fence(Ending::kReleased);
  HoldOff(options_.holdoff_us);
}

void Role::On(const StopEvent& e) {
  stopping_ = true;
  if (state_ == RoleState::kPrimary && !attaching_ && !attach_at_us_) {
    Leave(e.heir);
  } else if (state_ == RoleState::kPrimary || state_ == RoleState::kTaking) {
    Fence(Ending::kReleased);
  }
}

}  // namespace cairn::adapter
