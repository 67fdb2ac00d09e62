// FrontThread's part in who has which slots: where a call goes, and the end of calls of slots that
// leave.

#include <algorithm>
#include <asio/post.hpp>
#include <utility>

#include "adapter/redis/front/front_thread.h"

namespace cairn::adapter::redis {

SlotRoute FrontThread::Route(std::span<const std::string_view> argv, const CommandPlan& plan,
                             bool read_only) const {
  if (!facts_->cluster || plan.kind == CommandClass::kRefused) return {};
  return facts_->cluster->Route(argv, plan, mode_ != FrontMode::kReplica, read_only);
}

SlotRoute FrontThread::RouteAgain(SlotTouch touch) const {
  if (!facts_->cluster) return {};
  return facts_->cluster->RouteAgain(touch, mode_ != FrontMode::kReplica);
}

void FrontThread::DrainSlots(SlotRanges slots, std::string target, std::function<void()> done) {
  asio::post(io_, [this, drain = SlotDrain{std::move(slots), std::move(target), std::move(done)}] {
    TakeDrain(drain);
  });
}

void FrontThread::TakeDrain(SlotDrain drain) {
  slot_drain_ = std::move(drain);
  EndBlockedCalls();
  CheckSlotsDrained();
}

// What blocks would wait for writes that do not come here any more. The engine may not have got the
// call yet when it is told, so it is told again.
void FrontThread::EndBlockedCalls() {
  const auto moved_to = [this](uint32_t slot) {
    return facts_->cluster ? facts_->cluster->MovedTo(slot, slot_drain_->target) : std::string();
  };
  ForEachClient([&](Session& session) {
    const Backend* const blocking = session.LeaveSlots(slot_drain_->slots, moved_to);
    if (blocking == nullptr) return;
    if (blocking->engine_id() == 0) return session.Cut();
    TellEngine(
        EncodeCommand({"CLIENT", "UNBLOCK", std::to_string(blocking->engine_id()), "ERROR"}));
  });
}

// The slots stay: whoever asked has given up, and clients may block on their keys again.
void FrontThread::ForgetVainDrain() {
  if (!slot_drain_ || !facts_->cluster) return;
  const ClusterMap& cluster = *facts_->cluster;
  const SlotRanges& slots = slot_drain_->slots;
  const bool stay = std::any_of(slots.begin(), slots.end(), [&](const SlotRange& range) {
    const SlotRoute route = cluster.RouteAgain({.slot = range.first}, /*is_primary=*/true);
    return !route.held && !route.refusal;
  });
  if (stay) slot_drain_.reset();
}

void FrontThread::CheckSlotsDrained() {
  if (!slot_drain_) return;
  const bool busy = std::any_of(sessions_.begin(), sessions_.end(), [this](const auto& session) {
    return session.second->HasCallsOf(slot_drain_->slots);
  });
  if (busy) return;
  const std::function<void()> done = std::move(slot_drain_->done);
  slot_drain_.reset();
  done();
}

}  // namespace cairn::adapter::redis
