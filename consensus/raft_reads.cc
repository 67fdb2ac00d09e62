// RaftCore's linearizable reads: by a round of heartbeats or under the leader's lease, here
// or on behalf of a follower (thesis 6.4).
#include <utility>

#include "base/check.h"
#include "base/planted_bug.h"
#include "consensus/raft_core.h"

namespace cairn::consensus {

void RaftCore::ReadIndex(uint64_t context) {
  CHECK_NE(context, 0u);
  if (role_ == Role::kLeader) {
    AskRead(config_.self, context);
  } else if (leader_) {
    Wake();  // Its leader wakes by the request.
    forwarded_.Add(context, now_tick_);
    Send(leader_, ReadIndexRequest{.context = context});
  } else {
    ready_.read_states.push_back({.context = context, .confirmed = false, .index = Index()});
  }
}

void RaftCore::AskRead(NodeId from, uint64_t context) {
  const bool may_say = LeadsWithCommittedTerm() || PLANTED(kReadBeforeOwnCommit);
  const Index index = may_say ? commit_ : Index();
  if (may_say && config_.lease_reads && lease_.Holds(now_tick_)) {
    AnswerRead({.from = from, .context = context, .index = index}, true);
    return;
  }
  if (may_say && PLANTED(kReadWithoutRound)) {
    return AnswerRead({.from = from, .context = context, .index = index}, true);
  }
  const bool slept = config_.hibernate_ticks != 0 && quiet_ticks_ >= config_.hibernate_ticks;
  if (may_say && slept && PLANTED(kSleepIsLease)) {
    return AnswerRead({.from = from, .context = context, .index = index}, true);
  }
  Stir();
  BeginRound();
  reads_.Add({.from = from, .context = context, .index = index, .round = reads_.round()});
  AnswerConfirmedReads();  // A single voter is its own quorum.
}

// A round that has not left yet is joined: its messages leave after whatever asks now.
void RaftCore::BeginRound() {
  if (!reads_.JoinRound()) return;
  lease_.OnRoundSent(reads_.round(), now_tick_);
  BroadcastHeartbeat();
}

uint64_t RaftCore::RoundOfQuorum() const {
  return QuorumValue(membership(), [&](NodeId id) -> uint64_t {
    // Who may have forgotten a vote or an acknowledgement for a later leader proves nothing.
    if (id == config_.self) return standing_ == Standing::kSound ? reads_.round() : 0;
    const auto member = progress_.find(id);
    return member == progress_.end() || member->second.unsound() ? 0 : member->second.round();
  });
}

void RaftCore::AnswerConfirmedReads() {
  const uint64_t confirmed = RoundOfQuorum();
  lease_.OnRoundConfirmed(confirmed);
  for (const PendingRead& read : reads_.Confirm(confirmed)) AnswerRead(read, true);
}

void RaftCore::AnswerRead(const PendingRead& read, bool confirmed) {
  if (read.from == config_.self) {
    ready_.read_states.push_back(
        {.context = read.context, .confirmed = confirmed, .index = read.index});
  } else {
    Send(read.from,
         ReadIndexResponse{.context = read.context, .confirmed = confirmed, .index = read.index});
  }
}

void RaftCore::RefuseReads() {
  for (const PendingRead& read : reads_.Clear()) AnswerRead(read, false);
}

void RaftCore::RefuseForwardedReads(const std::vector<uint64_t>& contexts) {
  for (const uint64_t context : contexts) {
    ready_.read_states.push_back({.context = context, .confirmed = false, .index = Index()});
  }
}

void RaftCore::HandleReadIndexRequest(NodeId from, const ReadIndexRequest& request) {
  if (role_ != Role::kLeader || reads_.Full()) {
    Send(from, ReadIndexResponse{.context = request.context});
    return;
  }
  AskRead(from, request.context);
}

void RaftCore::HandleReadIndexResponse(NodeId from, const ReadIndexResponse& response) {
  if (from != leader_ || !forwarded_.Take(response.context)) return;
  ready_.read_states.push_back(
      {.context = response.context, .confirmed = response.confirmed, .index = response.index});
}

}  // namespace cairn::consensus
