// RaftCore as a follower: appends, heartbeats and snapshots of a leader (thesis 3.5).
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/mark.h"
#include "base/planted_bug.h"
#include "consensus/raft_core.h"

namespace cairn::consensus {

void RaftCore::TickFollower() {
  if (++elapsed_ticks_ < timeout_ticks_ || HasPromised()) return;
  if (MayCampaign()) {
    election_.leader_gone = leader_gone_;
    Campaign(CampaignKind::kPreVote);
    return;
  }
  ResetElectionTimer();
  SetLeader(NodeId());
}

// Every message of the current term's leader passes here first.
void RaftCore::FollowLeader(NodeId leader) {
  // Two leaders in one term would mean that logs have diverged already (thesis 3.4).
  CHECK(role_ != Role::kLeader);
  CHECK(!leader_ || leader_ == leader);
  if (role_ != Role::kFollower) BecomeFollower(hard_state_.term, leader);
  SetLeader(leader);
  leader_heard_tick_ = now_tick_;
  elapsed_ticks_ = 0;
  unheard_ticks_ = 0;
  if (leader_gone_) ResetElectionTimer();  // It is not gone after all, or there is a new one.
  // A node that may have forgotten a vote of this term must not give another once it is
  // sound; it votes for the leader it follows. (raft_standing.cc)
  if (standing_ != Standing::kSound && !hard_state_.vote) {
    ChangeHardState(hard_state_.term, leader);
  }
}

namespace {

// Entries come from another process: they must be what a leader of `term` can send.
bool WellFormed(const AppendRequest& request, Term term) {
  Position previous = request.prev;
  for (const Entry& entry : request.entries) {
    if (entry.index != previous.index + 1) return false;
    if (entry.term < previous.term || entry.term > term) return false;
    if (entry.kind == EntryKind::kConfig && !DecodeMembership(entry.payload.view()).ok()) {
      return false;
    }
    previous = {entry.term, entry.index};
  }
  return true;
}

}  // namespace

void RaftCore::HandleAppend(NodeId from, AppendRequest& request) {
  if (!WellFormed(request, hard_state_.term)) return;
  FollowLeader(from);
  if (request.prev.index < terms_.Before().index) {
    // It reaches back into what was trimmed here, which is committed: nothing to compare.
    Acknowledge(from, commit_);
    return;
  }
  if (!terms_.Matches(request.prev)) {
    Reject(from, request.prev);
    return;
  }
  // Not request.last: the sender may have cut the range short.
  const Index match = request.prev.index + request.entries.size();
  const bool refuses = request.refused.index != Index();
  const bool takes = !request.entries.empty();
  TakeEntries(request.entries);
  verified_ = std::max(verified_, match);
  AdvanceCommit(std::min(request.commit, match));
  if (request.absolves != 0 && request.absolves == doubt_) {
    absolve_target_ = match;
    MaybeBecomeSound();
  }
  // (If nothing came before what is refused, an acknowledgement would only invite the same
  // entry again, at once.)
  if (!refuses || takes) Acknowledge(from, match, request.absolves);
  if (refuses) Contradict(from, request.refused);
}

void RaftCore::TakeEntries(std::vector<Entry>& entries) {
  for (Entry& entry : entries) {
    if (entry.index <= terms_.Last().index) {
      // A late or repeated append must not cut off what came after it (thesis 3.5).
      const bool held = terms_.Matches({entry.term, entry.index});
      if (held && (entry.index <= commit_ || !PLANTED(kRepeatedAppendCuts))) continue;
      Hit(Mark::kSuffixReplaced);
      TruncateAfter(entry.index.Previous());
    }
    PutEntry(std::move(entry));
  }
}

// Says where the logs may agree: nothing after the last entry whose term is not above
// prev's can match anything the leader has at or before prev. The leader narrows it down
// from its side in the same way, so each round skips a term of either log (thesis 3.5).
void RaftCore::Reject(NodeId to, Position prev) {
  Send(to, AppendResponse{.accepted = false,
                          .rejected_prev = prev.index,
                          .hint = terms_.LastAtMost(prev.index, prev.term),
                          .doubt = doubt_,
                          .absolved = 0,
                          .contradicts = false});
}

void RaftCore::Contradict(NodeId to, Position refused) {
  Send(to,
       AppendResponse{.accepted = false, .hint = refused, .doubt = doubt_, .contradicts = true});
}

void RaftCore::Acknowledge(NodeId to, Index match, uint64_t absolved) {
  AppendResponse response{.accepted = true, .match = match};
  response.absolved = absolved;
  if (PLANTED(kAckBeforeSync)) return Send(to, response);
  SendWhenDurable(to, match, response);
}

void RaftCore::HandleHeartbeat(NodeId from, const Heartbeat& heartbeat) {
  FollowLeader(from);
  LearnCommit(heartbeat.commit);
  asleep_ = heartbeat.sleep && FallsAsleep(from, heartbeat.commit);
  HeartbeatResponse response{.context = heartbeat.context, .doubt = doubt_, .asleep = asleep_};
  response.promised = heartbeat.promise_us > 0 && Promise(heartbeat.promise_us);
  Send(from, response);
}

void RaftCore::HandleCommitNotice(NodeId from, const CommitNotice& notice) {
  FollowLeader(from);
  LearnCommit(notice.commit);
}

// Requires: by what this node once acknowledged to its leader it holds everything up to there.
void RaftCore::LearnCommit(Index commit) {
  commit = std::min(commit, terms_.Last().index);
  // The leader trusts that acknowledgement; what it spoke of may be gone, and what is there
  // instead may be another entry.
  if (standing_ != Standing::kSound) commit = std::min(commit, verified_);
  AdvanceCommit(commit);
}

void RaftCore::HandleSnapshot(NodeId from, SnapshotRequest& request) {
  if (request.membership.voters.empty()) return;  // Not filled in: of no use.
  FollowLeader(from);
  const Position position = request.position;
  if (position.index <= commit_) {
    Acknowledge(from, commit_);
    return;
  }
  if (terms_.Matches(position)) {
    // All of it is in the log already: keep the entries, readers want them.
    verified_ = std::max(verified_, position.index);
    AdvanceCommit(position.index);
    Acknowledge(from, position.index);
    return;
  }
  Hit(Mark::kSnapshotInstalled);
  writes_.Install(position, std::move(request.snapshot), commit_);
  terms_.Reset(position);
  memberships_.clear();
  memberships_.emplace_back(position.index, std::move(request.membership));
  verified_ = position.index;
  commit_ = position.index;
  applied_ = position.index;
  told_commit_ = position.index;
  Acknowledge(from, position.index);
}

void RaftCore::HandleTimeoutNow(NodeId from) {
  if (role_ != Role::kFollower || from != leader_) return;
  if (standing_ != Standing::kSound || !MayCampaign()) return;
  Campaign(CampaignKind::kTransfer);
}

// ---- The leader's process is gone (design section 7) -----------------------------------

void RaftCore::OnLinkDown(NodeId peer) {
  links_down_.insert(peer);
  WakeForLink(peer);
}

void RaftCore::OnLinkUp(NodeId peer) {
  links_down_.erase(peer);
  WakeForLink(peer);
  if (Progress* progress = FindProgress(peer)) progress->OnReachable();
}

void RaftCore::OnLeaderGone() {
  if (role_ != Role::kFollower || !leader_ || config_.lease_reads || !MayCampaign()) return;
  OnLinkDown(leader_);
  leader_gone_ = true;
  const uint32_t delay_ticks = HintDelayTicks();
  timeout_ticks_ = std::min(timeout_ticks_, elapsed_ticks_ + delay_ticks);
  if (delay_ticks > 0) return;
  election_.leader_gone = true;
  Campaign(CampaignKind::kPreVote);
}

// All followers notice at the same moment. They take turns by id, so that the first one's
// election is over before the next one begins.
uint32_t RaftCore::HintDelayTicks() const {
  uint32_t turn = 0;
  for (const NodeId id : membership().All()) {
    if (id != leader_ && id < config_.self && membership().IsVoter(id)) ++turn;
  }
  return turn * kHintTurnTicks + config_.priority_penalty_ticks;
}

// Another follower may notice a little later and ignore the first attempt. As a pre-vote
// disturbs nobody it is repeated, each follower again in its turn, until somebody leads.
void RaftCore::RetryHint() {
  const auto voters = static_cast<uint32_t>(membership().voters.size());
  leader_gone_ = true;
  timeout_ticks_ = std::min(timeout_ticks_, voters * kHintTurnTicks);
}

}  // namespace cairn::consensus
