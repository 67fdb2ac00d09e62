// RaftCore and entries that followers refuse (design 5.6).
//
// Each replica computes the chain of new entries before it takes them. One that does not follow
// from what it holds is refused: not written, not acknowledged, and the leader is told which.
// Then somebody's memory or disk is wrong, and the majority decides whose. A refusal counts
// once it came several times for the same entry; the leader sends it again with the pace of
// heartbeats.
//
//   A majority of the voters refuses the entry: the leader made or keeps a wrong one. It steps
//   down, names an heir and is *suspect*: it does not lead this log again before the process
//   was restarted. It goes on to vote, and to follow, where its own check of the chain stands
//   guard.
//   A majority has acknowledged it: the one that refuses holds something else. It learns of that
//   by the commit index that comes with the entry, and has itself refilled
//   (server/group_refill.cc). Neither: nobody can tell; the log waits for the voters that have not
//   spoken.
//
// A suspect's vote. Its log may end with the entry that nobody takes, so that it would refuse
// everybody; and with one of the others down nobody could be elected. So it compares from before
// that entry, as if it had deleted it. That is safe as long as its last entry is of the term in
// which it led: nobody but this leader could have counted copies in that term, it did not commit
// the entry, and it has acknowledged nothing to a leader of a later one.
//
// Refusals of members that doubt their disk do not count, as their acknowledgements do not.
#include "base/check.h"
#include "base/mark.h"
#include "consensus/raft_core.h"

namespace cairn::consensus {

void RaftCore::HandleContradiction(Progress& progress, Position at) {
  if (!terms_.Matches(at) || at.index <= progress.match()) return;  // A late one.
  if (progress.state() == Progress::State::kSnapshot) return;
  progress.OnContradiction(at);
  const VoteResult refused = TallyVotes(membership(), [&](NodeId id) {
    if (id == config_.self) return Ballot::kRefused;
    const Progress* member = FindProgress(id);
    if (member == nullptr || member->unsound()) return Ballot::kMissing;
    return member->contradicts() == at ? Ballot::kGranted : Ballot::kMissing;
  });
  if (refused == VoteResult::kWon) BecomeSuspect(at);
}

void RaftCore::BecomeSuspect(Position at) {
  CHECK(role_ == Role::kLeader);
  CHECK_GT(at.index, commit_);
  Hit(Mark::kSuspect);
  suspect_ = at;
  if (const NodeId heir = BestHeir()) Send(heir, TimeoutNow{});
  BecomeFollower(hard_state_.term, NodeId());
}

Position RaftCore::LastForVotes() const {
  const Position last = terms_.Last();
  if (!suspect_ || last.term != suspect_->term || last.index < suspect_->index) return last;
  const Index before = suspect_->index.Previous();
  const std::optional<Term> term = terms_.At(before);
  CHECK(term.has_value());  // It was not committed here, nor anything behind it.
  return {*term, before};
}

}  // namespace cairn::consensus
