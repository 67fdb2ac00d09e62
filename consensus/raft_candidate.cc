// RaftCore's elections: asking for votes and giving them (thesis 3.4, 3.6.1, 9.6).
//
// A vote of a node that does not trust its disk is conditional. It is not counted as long
// as a majority can be had without it. When the others do not suffice (a power cut hit all
// nodes in the middle of a write), conditional grants count if every voter has answered
// and none refused: then every entry that any of them still has is also the candidate's.
// A kLost voter's answer is needed for "every voter", but never counts as a vote; so the
// majority must come from voters whose last turn alone is in doubt. Since a voter that
// gave its vote to another in this term refuses, a vote that a conditional voter forgot
// cannot elect two leaders in one term: the one it elected would refuse.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/mark.h"
#include "base/planted_bug.h"
#include "consensus/raft_core.h"

namespace cairn::consensus {

// A node whose newest configuration leaves it out still stands for election until that is
// committed (thesis 4.2.2). Nobody else may be able to win: say 1, 2 and 3 were to be replaced
// by 2 alone, and only 1 and 3 have the entry that says so. Then 2 needs their votes, by the
// configuration before, and they must refuse it for its shorter log.
bool RaftCore::MayCampaign() const {
  if (standing_ == Standing::kLost || suspect_) return false;
  for (auto m = memberships_.rbegin(); m != memberships_.rend(); ++m) {
    if (m->second.IsVoter(config_.self)) return true;
    if (m->first <= commit_) return false;
  }
  return false;
}

void RaftCore::Campaign(CampaignKind kind) {
  CHECK(role_ != Role::kLeader);
  const bool leader_gone = election_.leader_gone;
  election_ = {.leader_gone = leader_gone, .ballot = random_->Next(), .answers = {}};
  SetLeader(NodeId());
  ResetElectionTimer();
  if (kind == CampaignKind::kPreVote) {
    role_ = Role::kPreCandidate;
    if (leader_gone) RetryHint();
  } else {
    role_ = Role::kCandidate;
    ChangeHardState(hard_state_.term + 1, config_.self);
    verified_ = Index();
    absolve_target_ = Index();
  }
  AskVoters(kind);
}

// The requests of a real vote wait until the new term and all entries that they speak of
// are on disk, and so does our own vote. Otherwise a candidate that crashed could stand
// again in the same term with a shorter log, and be elected by late answers to its first
// requests.
void RaftCore::AskVoters(CampaignKind kind) {
  const Position last = terms_.Last();
  const VoteRequest request{.pre_vote = kind == CampaignKind::kPreVote,
                            .last = last,
                            .transfer = kind == CampaignKind::kTransfer,
                            .leader_gone = election_.leader_gone,
                            .ballot = election_.ballot};
  const VoteResponse own{.pre_vote = request.pre_vote,
                         .granted = true,
                         .conditional = standing_ != Standing::kSound,
                         .last = last,
                         .ballot = election_.ballot};
  for (const NodeId voter : membership().All()) {
    if (voter == config_.self || !membership().IsVoter(voter)) continue;
    if (request.pre_vote) {
      Send(voter, hard_state_.term + 1, request);
    } else {
      SendWhenDurable(voter, last.index, request);
    }
  }
  if (request.pre_vote) {
    election_.answers.emplace(config_.self, own);
    FinishElection();
  } else {
    SendWhenDurable(config_.self, last.index, own);
  }
}

void RaftCore::HandleVoteRequest(const Message& message, const VoteRequest& request) {
  const NodeId from = message.from;
  const bool vote_is_free = hard_state_.vote == from || (!hard_state_.vote && !leader_) ||
                            (request.pre_vote && message.term > hard_state_.term);
  VoteResponse response{
      .pre_vote = request.pre_vote, .last = terms_.Last(), .ballot = request.ballot};
  const bool longer = PLANTED(kVoteByLengthOnly) && request.last.index >= terms_.Last().index;
  if (!vote_is_free || (request.last < LastForVotes() && !longer)) {
    if (vote_is_free) Hit(Mark::kVoteRefusedToShorterLog);
    Send(from, response);
    return;
  }
  if (standing_ != Standing::kSound) {
    Hit(standing_ == Standing::kLost ? Mark::kLostRefusesVote : Mark::kDoubtfulVote);
  }
  response.granted = standing_ != Standing::kLost || PLANTED(kVoteAlthoughLost);
  response.conditional = standing_ != Standing::kSound && !PLANTED(kVoteAlthoughLost);
  if (request.pre_vote) {
    Send(from, message.term, response);
    return;
  }
  if (hard_state_.vote != from) ChangeHardState(hard_state_.term, from);
  elapsed_ticks_ = 0;
  SendWhenDurable(from, Index(), response);
}

void RaftCore::HandleVoteResponse(NodeId from, const VoteResponse& response) {
  if (role_ != (response.pre_vote ? Role::kPreCandidate : Role::kCandidate)) return;
  if (response.ballot != election_.ballot) return;  // Answers an earlier campaign.
  election_.answers.try_emplace(from, response);
  FinishElection();
}

VoteResult RaftCore::CountElection() const {
  const auto answer_of = [&](NodeId id) -> const VoteResponse* {
    const auto answer = election_.answers.find(id);
    return answer == election_.answers.end() ? nullptr : &answer->second;
  };
  const std::vector<NodeId> all = membership().All();
  const bool nobody_refused = std::all_of(all.begin(), all.end(), [&](NodeId id) {
    const VoteResponse* answer = answer_of(id);
    return !membership().IsVoter(id) ||
           (answer != nullptr && (answer->granted || answer->conditional));
  });
  return TallyVotes(membership(), [&](NodeId id) {
    const VoteResponse* answer = answer_of(id);
    if (answer == nullptr) return Ballot::kMissing;
    if (!answer->conditional) return answer->granted ? Ballot::kGranted : Ballot::kRefused;
    return answer->granted && nobody_refused ? Ballot::kGranted : Ballot::kMissing;
  });
}

void RaftCore::FinishElection() {
  switch (CountElection()) {
    case VoteResult::kPending:
      return;
    case VoteResult::kLost:
      BecomeFollower(hard_state_.term, NodeId());
      return;
    case VoteResult::kWon:
      if (std::any_of(election_.answers.begin(), election_.answers.end(),
                      [](const auto& answer) { return answer.second.conditional; })) {
        Hit(Mark::kElectedByAll);
      }
      if (role_ == Role::kPreCandidate) {
        Campaign(CampaignKind::kVote);
      } else {
        BecomeLeader();
      }
      return;
  }
}

}  // namespace cairn::consensus
