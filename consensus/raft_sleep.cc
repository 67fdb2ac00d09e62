// RaftCore's hibernation: a group of which nothing is asked costs nothing (decision 025).
//
//   quiet for hibernate_ticks ──► heartbeats say `sleep` ──► each follower that holds and knows
//   everything sleeps and says so ──► all did: the leader sleeps too, until anything happens
//
// While asleep nobody counts election timeouts. The driver tells when the leader's node, or a
// follower's, gives no sign of life (OnNodeSilent) or loses its connection, and ticks slowly: on
// each slow tick the leader repeats its heartbeat, so that whatever the driver has missed lasts a
// few slow ticks at most. Sleep is about time only. Terms, votes, logs and commits go by the rules
// of always, and so does a read: by a round that begins after it was asked (raft_reads.cc). What a
// node's signs of life say is that its groups need not be looked after, never that one of them
// still leads. A leader lease lives by heartbeats, so groups do not sleep under it.
#include <algorithm>

#include "base/check.h"
#include "base/mark.h"
#include "consensus/raft_core.h"

namespace cairn::consensus {

// ---- Waking ----------------------------------------------------------------------------

void RaftCore::Stir() {
  quiet_ticks_ = 0;
  asleep_followers_.clear();
  Wake();
}

void RaftCore::Wake() {
  if (!asleep_) return;
  asleep_ = false;
  unheard_ticks_ = 0;
  if (role_ == Role::kLeader) {
    // A quorum gets a full election timeout to answer, beginning with the next tick.
    for (auto& [id, progress] : progress_) progress.OnHeard();
    heartbeat_elapsed_ticks_ = config_.heartbeat_ticks;
    return;
  }
  elapsed_ticks_ = 0;
  leader_heard_tick_ = now_tick_;
}

void RaftCore::WakeWithLeader() {
  if (!asleep_) return;
  Wake();
  if (role_ == Role::kLeader || links_down_.contains(leader_)) return;
  Send(leader_, HeartbeatResponse{.context = 0, .doubt = doubt_, .wall_us = 0, .asleep = false});
}

// Who was removed, and does not know, campaigns for ever: that is no reason to wake.
bool RaftCore::KeepsAsleep(const Message& message) const {
  if (message.term < hard_state_.term) return false;
  if (const auto* request = std::get_if<VoteRequest>(&message.body)) {
    return !membership().Contains(message.from) && Sticky(*request);
  }
  if (message.term > hard_state_.term) return false;
  if (const auto* heartbeat = std::get_if<Heartbeat>(&message.body)) return heartbeat->sleep;
  const auto* answer = std::get_if<HeartbeatResponse>(&message.body);
  return answer != nullptr && answer->asleep;
}

void RaftCore::WakeFor(const Message& message) {
  if (!asleep_ || KeepsAsleep(message)) return;
  Hit(Mark::kWoken);
  asleep_followers_.erase(message.from);
  if (message.from == leader_) {
    Wake();
  } else {
    WakeWithLeader();
  }
}

// The leader's process may have ended, or a follower's, and be back already.
void RaftCore::WakeForLink(NodeId peer) {
  if (role_ == Role::kLeader) {
    if (progress_.contains(peer)) Stir();
  } else if (peer == leader_) {
    WakeWithLeader();
  }
}

void RaftCore::OnNodeHeard(NodeId peer) { silent_.erase(peer); }

void RaftCore::OnNodeSilent(NodeId peer) {
  silent_.insert(peer);
  asleep_followers_.erase(peer);
  if (!asleep_) return;
  if (role_ == Role::kLeader) {
    if (!progress_.contains(peer)) return;
    Hit(Mark::kWokenBySilence);
    Wake();
    return;
  }
  if (peer != leader_) return;
  Hit(Mark::kWokenBySilence);
  Wake();
  // As if the ticks of that silence had been counted here.
  leader_heard_tick_.reset();
  elapsed_ticks_ = config_.election_ticks;
}

// ---- Falling asleep --------------------------------------------------------------------

bool RaftCore::MaySleep() const {
  if (config_.hibernate_ticks == 0 || quiet_ticks_ < config_.hibernate_ticks) return false;
  if (config_.lease_reads || standing_ != Standing::kSound || suspect_) return false;
  if (membership().joint() || !membership().learners.empty()) return false;
  if (transfer_to_ || !reads_.empty()) return false;
  const Index last = terms_.Last().index;
  if (commit_ != last || applied_ != last || writes_.persisted() != last) return false;
  return std::all_of(progress_.begin(), progress_.end(), [&](const auto& member) {
    return member.second.state() == Progress::State::kReplicate && !member.second.unsound() &&
           member.second.match() == last && !silent_.contains(member.first);
  });
}

void RaftCore::HearAsleep(NodeId from, bool asleep) {
  if (role_ != Role::kLeader) return;
  if (!asleep || !MaySleep()) {
    asleep_followers_.erase(from);
    Wake();
    return;
  }
  asleep_followers_.insert(from);
  MaybeFallAsleep();
}

void RaftCore::MaybeFallAsleep() {
  if (asleep_ || asleep_followers_.size() < progress_.size() || !MaySleep()) return;
  Hit(Mark::kFellAsleep);
  asleep_ = true;
}

bool RaftCore::FallsAsleep(NodeId leader, Index commit) const {
  if (config_.hibernate_ticks == 0 || config_.lease_reads) return false;
  if (standing_ != Standing::kSound || !forwarded_.empty()) return false;
  if (silent_.contains(leader) || links_down_.contains(leader)) return false;
  const Index last = terms_.Last().index;
  return commit == last && commit_ == last && writes_.persisted() == last;
}

// ---- Asleep ----------------------------------------------------------------------------

void RaftCore::TickAsleep() {
  if (role_ != Role::kLeader) {
    if (++unheard_ticks_ < kFollowerPatience) return;
    Hit(Mark::kWokenByItself);
    WakeWithLeader();
    return;
  }
  for (auto& [id, progress] : progress_) progress.OnTick();
  const bool all_answer = std::all_of(progress_.begin(), progress_.end(), [](const auto& member) {
    return member.second.silent_ticks() < kLeaderPatience;
  });
  if (all_answer) {
    BroadcastHeartbeat();
  } else {
    Hit(Mark::kWokenByItself);
    Stir();
  }
}

}  // namespace cairn::consensus
