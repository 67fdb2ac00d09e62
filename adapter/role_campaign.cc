// Role: the follower, and how it comes to a lease.
#include <algorithm>

#include "adapter/role.h"
#include "base/check.h"
#include "base/planted_bug.h"

namespace cairn::adapter {

void Role::ProceedAsFollower() {
  if (stopping_) {
    if (awaited_epoch_ && now_us_ < leave_until_us_) return;
    awaited_epoch_.reset();
    SetFront(FrontMode::kClosed);
    Order(ExitOrder{});
    state_ = RoleState::kStopped;
    return;
  }
  if (feed_bounded_ && memory_.follows()) BoundFeed(std::nullopt);
  if (!log_seen_) return;
  if (engine_ready_ && MustResync() && now_us_ >= resync_at_us_) Resync();
  ConsiderLease();
}

bool Role::MayAdopt() const { return options_.adopt && !published_ && memory_.leads(); }

bool Role::MustResync() const {
  if (resyncing_ || memory_.follows()) return false;
  if (memory_.kind() == EngineMemory::Kind::kUnknown) return true;
  // Data that the log never had: nothing but the operator may throw it away.
  if (!memory_.meeting() && (options_.adopt || !published_)) return false;
  return memory_.IsOutvoted(published_, others_epoch_);
}

void Role::Resync() {
  Order(ResyncOrder{memory_.Proof()});
  memory_.Forget();
  resyncing_ = true;
  feed_bounded_ = false;
}

void Role::BoundFeed(std::optional<Seq> through) {
  feed_bounded_ = through.has_value();
  Order(FeedOrder{through});
}

// Does the memory hold everything that was read, so that it may be campaigned with?
bool Role::IsCurrent() const {
  if (read_seq_.value() < epoch_.value()) return false;  // Not even its own last grant.
  if (memory_.follows()) return caught_up_ && memory_.acked() == read_seq_ && memory_.all_acked();
  return memory_.meeting() || MayAdopt();
}

bool Role::MayReign() const {
  return reachable_ && log_seen_ && engine_ready_ && !version_fenced_ && !stopping_ && IsCurrent();
}

MonoMicros Role::CampaignFrom() const {
  if (lease_.owner == LeaseOwner::kNobody) return holdoff_until_us_;
  return std::max(holdoff_until_us_, lease_alive_at_us_ + lease_.ttl_us);
}

void Role::ConsiderLease() {
  if (lease_.owner == LeaseOwner::kMine || lease_.owner == LeaseOwner::kMyPast) {
    return ClaimOwnLease();
  }
  if (!MayReign() || now_us_ < CampaignFrom()) {
    campaign_at_us_.reset();
    if (engine_ready_ && memory_.leads() && !memory_.meeting() && !MayAdopt()) {
      Report("the engine has data and the log has none: start with adopt, or with an empty engine");
    }
    return;
  }
  if (!campaign_at_us_) {
    campaign_at_us_ =
        now_us_ + static_cast<int64_t>(draw_ * static_cast<double>(options_.max_jitter_us));
  }
  if (now_us_ < *campaign_at_us_) return;
  StartAttempt();
  Order(CampaignOrder{attempt_, read_seq_});
}

// The lease is this agent's, yet it does not reign: it was restarted, it was named the heir, or it
// lost sight of the log for a while. Nobody else can win before it ends, so there is no jitter.
void Role::ClaimOwnLease() {
  if (!engine_known_ || lease_.epoch == released_epoch_ || now_us_ < holdoff_until_us_) return;
  const bool useless =
      !engine_ready_ || version_fenced_ || !(memory_.follows() || memory_.meeting() || MayAdopt());
  if (useless) {
    // Others need not wait for its end.
    released_epoch_ = lease_.epoch;
    return Order(ReleaseOrder{lease_.epoch});
  }
  claimed_epoch_ = lease_.epoch;
  const bool inherited =
      (lease_.owner == LeaseOwner::kMine && lease_.transferred && lease_.epoch > epoch_) ||
      (PLANTED(kOldEpochAfterRestart) && lease_.owner == LeaseOwner::kMyPast);
  if (inherited) {
    StartAttempt();
    return Order(AdoptLeaseOrder{attempt_, lease_.epoch});
  }
  if (!MayReign()) return;
  StartAttempt();
  // What leads takes in whatever its own publisher has under way; what follows has to wait for it.
  std::optional<Seq> condition;
  if (memory_.follows()) condition = read_seq_;
  Order(TakeOverOrder{attempt_, lease_.epoch, condition});
}

void Role::StartAttempt() {
  ++attempt_;
  campaign_at_us_.reset();
  state_ = RoleState::kCampaigning;
}

void Role::HoldOff(int64_t pause_us) {
  const double jitter = draw_ * static_cast<double>(options_.max_jitter_us);
  holdoff_until_us_ =
      std::max(holdoff_until_us_, now_us_ + pause_us + static_cast<int64_t>(jitter));
  campaign_at_us_.reset();
}

void Role::On(const GrantedEvent& e) {
  CHECK(state_ == RoleState::kCampaigning);
  CHECK_EQ(e.attempt, attempt_);
  CHECK_GT(e.epoch, epoch_);
  epoch_ = e.epoch;
  safe_until_us_ = e.safe_until_us;
  state_ = RoleState::kTaking;
  step_ = Step::kCatchingUp;
  patience_until_us_ = now_us_ + options_.taking_patience_us;
  if (now_us_ >= safe_until_us_) return Fence(Ending::kDropped);
  const bool can_reign = memory_.follows() || memory_.meeting() || MayAdopt();
  if (!engine_ready_ || stopping_ || version_fenced_ || !can_reign) return Fence(Ending::kReleased);
  // What comes behind the grant are our own records: they must never be fed back.
  if (memory_.follows()) BoundFeed(Seq(epoch_.value()));
}

void Role::On(const RefusedEvent& e) {
  CHECK(state_ == RoleState::kCampaigning);
  CHECK_EQ(e.attempt, attempt_);
  state_ = RoleState::kFollower;
  if (e.why == Refusal::kLeaseLost) released_epoch_ = claimed_epoch_;  // It has ended already.
  HoldOff(std::max(options_.retry_us, e.retry_after_us));
}

void Role::On(const AttemptUnknownEvent& e) {
  CHECK(state_ == RoleState::kCampaigning);
  CHECK_EQ(e.attempt, attempt_);
  state_ = RoleState::kFollower;
  HoldOff(options_.retry_us);
}

}  // namespace cairn::adapter
