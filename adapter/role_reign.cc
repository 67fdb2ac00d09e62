// Role: from the grant to the fence.
#include "adapter/role.h"
#include "base/check.h"
#include "base/planted_bug.h"

namespace cairn::adapter {

void Role::ProceedTaking() {
  if (now_us_ >= patience_until_us_) {
    Report("taking over did not come to an end: the lease goes back");
    return Fence(Ending::kReleased);
  }
  switch (step_) {
    case Step::kCatchingUp:
      if (read_seq_.value() < epoch_.value()) return;
      if (memory_.leads()) return AttachFirst();
      if (PLANTED(kPromoteBeforeAck)) return Promote();
      if (memory_.acked().value() >= epoch_.value() && memory_.all_acked()) Promote();
      return;
    case Step::kPromoting:
      return;
    case Step::kAttaching:
      return ProceedAttaching();
  }
}

// Whatever the engine has not applied yet would be thrown away by its promotion.
void Role::Promote() {
  step_ = Step::kPromoting;
  promoting_ = true;
  promoted_seq_ = memory_.acked();
  promoted_offset_ = memory_.acked_offset();
  Order(PromoteOrder{promoted_offset_});
}

void Role::On(const PromotedEvent& e) {
  if (!promoting_) return;  // The engine was lost meanwhile.
  promoting_ = false;
  if (e.fed_offset == promoted_offset_ || PLANTED(kPromoteBeforeAck)) {
    memory_.Promoted(Meeting{e.place, promoted_seq_});
    memory_.Seen(published_);
    if (state_ == RoleState::kTaking) AttachFirst();
    return;
  }
  Report("the promoted engine does not hold what it had acknowledged");
  memory_.Forget();
  if (state_ == RoleState::kTaking) Fence(Ending::kReleased);
}

void Role::On(const PromotionFailedEvent&) {
  if (!promoting_) return;
  promoting_ = false;
  memory_.Forget();
  if (state_ == RoleState::kTaking) Fence(Ending::kReleased);
}

void Role::AttachFirst() {
  const bool adopting = !memory_.meeting() && MayAdopt();
  if (!adopting && memory_.IsOutvoted(published_, others_epoch_)) return Fence(Ending::kReleased);
  step_ = Step::kAttaching;
  attach_kind_ = adopting ? AttachKind::kAdopt : AttachKind::kOpen;
  attaching_ = true;
  publishing_ = true;
  attach_at_us_.reset();
  Order(AttachOrder{attach_kind_, epoch_, adopting ? StreamPlace{} : memory_.meeting()->place});
}

// Only the connection broke: the producer lives, and what was read is on its way to the log.
void Role::AttachAgain() {
  attach_kind_ = AttachKind::kAgain;
  attaching_ = true;
  attach_at_us_.reset();
  Order(AttachOrder{attach_kind_, epoch_, {}});
}

void Role::ProceedAttaching() {
  if (!attaching_ && !attach_at_us_) return;
  if (now_us_ >= patience_until_us_) {
    Report("the publisher could not be attached: the lease goes back");
    return Fence(Ending::kReleased);
  }
  if (attaching_ || now_us_ < *attach_at_us_) return;
  attach_kind_ == AttachKind::kAgain ? AttachAgain() : AttachFirst();
}

void Role::On(const AttachedEvent& e) {
  if (!attaching_) return;
  attaching_ = false;
  switch (e.how) {
    case Attachment::kContinued:
      if (state_ != RoleState::kTaking) return;
      state_ = RoleState::kPrimary;
      reported_ = {};
      return SetFront(FrontMode::kPrimary);
    case Attachment::kGap:
      // Effects that clients may have read are lost to the log.
      Report("the engine's stream has a gap: its memory is given up");
      memory_.Forget();
      return Fence(Ending::kReleased);
    case Attachment::kFailed:
      attach_at_us_ = now_us_ + options_.retry_us;
      return;
  }
}

void Role::On(const PublisherFailedEvent& e) {
  if (!Reigns() || !publishing_) return;
  switch (e.why) {
    case PublisherTrouble::kConnection:
      if (attaching_ || attach_at_us_) return;  // It is being attached.
      if (Transfers()) return;                  // Everything is committed already.
      if (state_ == RoleState::kLeaving) {
        StayPrimary("not handed over: the publisher broke");
      }
      patience_until_us_ = now_us_ + options_.taking_patience_us;
      return AttachAgain();
    case PublisherTrouble::kFenced:
      return Fence(Ending::kLost);
    case PublisherTrouble::kUnknown:
      // A new epoch will tell what was appended.
      return Fence(Ending::kDropped);
  }
}

void Role::On(const PublisherStoppedEvent& e) {
  publishing_ = false;
  memory_.Stopped(e);
}

void Role::On(const LeaseSafeEvent& e) {
  if (Reigns() && e.epoch == epoch_) safe_until_us_ = std::max(safe_until_us_, e.until_us);
}

void Role::On(const LeaseLostEvent& e) {
  if (Reigns() && !Transfers() && e.epoch == epoch_) Fence(Ending::kLost);
}

// The end of a reign, whatever the reason. First of all nobody is answered any more.
void Role::Fence(Ending ending) {
  const bool was_open = front_ == FrontMode::kPrimary || front_ == FrontMode::kPausing ||
                        front_ == FrontMode::kHolding;
  if (was_open) SetFront(FrontMode::kClosed);
  if (ending == Ending::kReleased) {
    released_epoch_ = epoch_;
    Order(ReleaseOrder{epoch_});
    // Who has to be made anew is late anyway.
    if (memory_.kind() != EngineMemory::Kind::kUnknown) HoldOff(options_.holdoff_us);
  } else if (ending == Ending::kDropped) {
    Order(DropLeaseOrder{epoch_});
  }
  if (publishing_) Order(StopPublisherOrder{});
  attaching_ = false;
  attach_at_us_.reset();
  state_ = RoleState::kFenced;
}

}  // namespace cairn::adapter
