#include "adapter/role.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace cairn::adapter {

std::string_view Name(RoleState state) {
  switch (state) {
    case RoleState::kFollower:
      return "follower";
    case RoleState::kCampaigning:
      return "campaigning";
    case RoleState::kTaking:
      return "taking over";
    case RoleState::kPrimary:
      return "primary";
    case RoleState::kLeaving:
      return "leaving";
    case RoleState::kFenced:
      return "fenced";
    case RoleState::kStopped:
      return "stopped";
  }
  CHECK_UNREACHABLE();
}

std::vector<RoleOrder> Role::Handle(const RoleEvent& event, MonoMicros now_us) {
  CHECK_GE(now_us, now_us_);
  now_us_ = now_us;
  if (state_ == RoleState::kStopped) return {};
  // A renewal that is told too late is no reason to go on: whoever slept is fenced first.
  if (Reigns() && now_us_ >= safe_until_us_) Fence(Ending::kDropped);
  std::visit([this](const auto& e) { On(e); }, event);
  Proceed();
  return std::exchange(orders_, {});
}

bool Role::Reigns() const {
  return state_ == RoleState::kTaking || state_ == RoleState::kPrimary ||
         state_ == RoleState::kLeaving;
}

bool Role::Transfers() const {
  return state_ == RoleState::kLeaving && leaving_ == Leaving::kTransferring;
}

void Role::Proceed() {
  switch (state_) {
    case RoleState::kFollower:
      ProceedAsFollower();
      break;
    case RoleState::kTaking:
      ProceedTaking();
      break;
    case RoleState::kPrimary:
      ProceedAttaching();
      break;
    case RoleState::kLeaving:
      ProceedLeaving();
      break;
    case RoleState::kFenced:
      if (publishing_ || promoting_) break;
      state_ = RoleState::kFollower;
      SettleFront();
      return Proceed();
    case RoleState::kCampaigning:
    case RoleState::kStopped:
      break;
  }
  SettleFront();
}

void Role::On(const LogSeenEvent& e) {
  CHECK_GE(e.read_seq, read_seq_);
  log_seen_ = true;
  if (e.lease_alive || !(e.lease == lease_)) lease_alive_at_us_ = now_us_;
  read_seq_ = e.read_seq;
  lease_ = e.lease;
  published_ = e.published;
  others_epoch_ = std::max(others_epoch_, e.others_epoch);
  caught_up_ = caught_up_ || e.caught_up;
  memory_.Seen(published_);
  const bool heir_serves =
      awaited_epoch_ && published_ && published_->seq.value() > awaited_epoch_->value();
  if (heir_serves) awaited_epoch_.reset();
  // What the log says of our epoch is final, unless the answer to our own Transfer is to come.
  const bool ended = Reigns() && read_seq_.value() >= epoch_.value() && lease_.epoch != epoch_;
  if (ended && !Transfers()) Fence(Ending::kLost);
}

void Role::On(const EngineDownEvent&) {
  engine_known_ = true;
  engine_ready_ = false;
  version_fenced_ = false;  // The next may be newer; if it is not, feeding it tells so again.
  resyncing_ = false;
  promoting_ = false;
  memory_.Forget();
  if (!Reigns()) return;
  // What is on its way to the log is lost with the lease: nobody was told that it is done.
  Fence(Transfers() ? Ending::kDropped : Ending::kReleased);
}

void Role::On(const EngineReadyEvent& e) {
  const bool restarted = engine_ready_ && e.run_id != run_id_;
  if (restarted) On(EngineDownEvent{});
  if (engine_ready_) return;  // Told twice.
  engine_known_ = true;
  engine_ready_ = true;
  run_id_ = e.run_id;
  if (const auto* follows = std::get_if<FollowsLog>(&e.claim)) {
    memory_.Follow(follows->seq, follows->offset);
  } else if (const auto* leads = std::get_if<LeadsItself>(&e.claim)) {
    memory_.Claim(leads->place);
    memory_.Seen(published_);
  }
}

void Role::On(const ResyncedEvent& e) {
  if (!resyncing_) return;
  resyncing_ = false;
  memory_.Follow(e.seq, e.offset);
}

void Role::On(const ResyncFailedEvent&) {
  if (!resyncing_) return;
  resyncing_ = false;
  memory_.Forget();
  resync_at_us_ = now_us_ + options_.resync_retry_us;
}

void Role::SetFront(FrontMode mode) {
  if (front_ == mode) return;
  front_ = mode;
  const bool as_primary = mode == FrontMode::kPrimary || mode == FrontMode::kPausing;
  Order(FrontOrder{mode, as_primary ? epoch_ : Epoch{}});
}

// The front of an agent that does not reign: open for replica reads while the memory is a prefix
// of the log. While clients wait for an heir they are neither cut nor answered.
void Role::SettleFront() {
  if (state_ == RoleState::kStopped || state_ == RoleState::kPrimary ||
      state_ == RoleState::kLeaving) {
    return;
  }
  const bool holds = front_ == FrontMode::kHolding && !memory_.follows();
  if ((awaited_epoch_ || (holds && !stopping_)) && now_us_ < leave_until_us_) return;
  awaited_epoch_.reset();
  if (memory_.follows()) {
    if (!stopping_ && !promoting_) SetFront(FrontMode::kReplica);
    return;
  }
  // In the midst of taking over, those who read a replica stay: they become the primary's clients.
  if (state_ == RoleState::kTaking && memory_.leads()) return;
  SetFront(FrontMode::kClosed);
}

void Role::Report(std::string_view what) {
  if (reported_ == what) return;
  reported_ = what;
  Order(ReportOrder{what});
}

std::optional<MonoMicros> Role::wake_at_us() const {
  std::optional<MonoMicros> at;
  const auto take = [&at](MonoMicros t) { at = at ? std::min(*at, t) : t; };
  if (state_ == RoleState::kStopped) return at;
  if (Reigns()) take(safe_until_us_);
  if (state_ == RoleState::kTaking || attaching_ || attach_at_us_) take(patience_until_us_);
  if (attach_at_us_) take(*attach_at_us_);
  if (state_ == RoleState::kLeaving) take(leave_until_us_);
  if (state_ == RoleState::kLeaving && leaving_ == Leaving::kRetrying) take(drain_at_us_);
  if (awaited_epoch_ || front_ == FrontMode::kHolding) take(leave_until_us_);
  if (state_ == RoleState::kFollower && engine_ready_) {
    if (memory_.kind() == EngineMemory::Kind::kUnknown && !resyncing_) take(resync_at_us_);
    if (campaign_at_us_) take(*campaign_at_us_);
    if (!campaign_at_us_ && MayReign()) take(CampaignFrom());
  }
  return at;
}

}  // namespace cairn::adapter
