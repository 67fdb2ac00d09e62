// RaftCore's linearizable reads: by a round of heartbeats or under the leader's lease, here
// or on behalf of a follower (thesis 6.4).
//
// The lease rests on promises, not on what followers do anyway: a heartbeat asks for one, and who
// gives it neither votes nor stands for that long by its own clock, whatever it hears of the
// leader, unless the leader itself has told somebody to take over. Those who do not know of
// promises, or do not give them, are not counted. A process that ends forgets what it promised,
// so one that starts keeps still as long as it could have promised (decision 038).
#include <utility>

#include "base/check.h"
#include "base/mark.h"
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
  if (may_say && config_.lease_reads && lease_.Holds(LeaseTime())) {
    Hit(Mark::kLeaseRead);
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
  lease_.OnRoundSent(reads_.round(), LeaseTime());
  BroadcastHeartbeat();
}

uint64_t RaftCore::RoundOfQuorum() const { return QuorumOfRounds(&Progress::round); }

uint64_t RaftCore::RoundOfPromises() const { return QuorumOfRounds(&Progress::promised_round); }

uint64_t RaftCore::QuorumOfRounds(uint64_t (Progress::*round)() const) const {
  return QuorumValue(membership(), [&](NodeId id) -> uint64_t {
    // Who may have forgotten a vote or an acknowledgement for a later leader proves nothing.
    if (id == config_.self) return standing_ == Standing::kSound ? reads_.round() : 0;
    const auto member = progress_.find(id);
    return member == progress_.end() || member->second.unsound() ? 0 : (member->second.*round)();
  });
}

void RaftCore::AnswerConfirmedReads() {
  const uint64_t confirmed = RoundOfQuorum();
  if (config_.lease_reads) lease_.OnRoundPromised(RoundOfPromises());
  for (const PendingRead& read : reads_.Confirm(confirmed)) AnswerRead(read, true);
}

MonoMicros RaftCore::LeaseTime() const {
  if (PLANTED(kLeaseCountsTicks)) return static_cast<MonoMicros>(now_tick_) * config_.tick_us;
  return now_us_;
}

// A promise longer than this node would keep still after a restart is none. Nor is one of a term
// that is not on disk: a restart that does not know of any term does not wait.
bool RaftCore::Promise(int64_t promise_us) {
  if (!config_.lease_reads || promise_us > PromiseMicros() || !writes_.Durable(Index())) {
    return false;
  }
  promised_until_ = std::max(promised_until_, now_us_ + promise_us);
  return true;
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
