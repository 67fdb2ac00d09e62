// RaftCore and nodes that do not trust their own disk (types.h, Standing).
//
// Such a node X may have forgotten entries that it acknowledged and a vote that it gave.
// Until it is absolved its votes are conditional (raft_candidate.cc), its acknowledgements
// are not counted (it says so in each), and it believes in no commit index beyond what the
// current leader has verified in its log.
//
// How a leader L of term T absolves X:
//   1. L hears from X that it is unsound. It forgets X's match, notes its own last index as
//      X's target, and begins a round of heartbeats.
//   2. Every voter has answered that round, in term T. (Of an X that only listens, see below.)
//   3. L sends X an append whose prev is at or past the target, marked `absolves`. X is
//      sound once it holds everything through it on disk, and says so; L counts it again.
//   Messages of before a restart may arrive after it. So each start of X in doubt has a
//   number, `doubt`: X heeds an absolution of that number only, L counts X again only for an
//   answer to it, and a new number begins the whole procedure anew.
//
// Why that is enough.
//   Forgotten entries. What X acknowledged in term T before its crash went to L, so it is
//   at or before the target. What it acknowledged in an earlier term and was committed is
//   in L's log before L's first own entry (leader completeness: L was elected without X's
//   word, or by an answer of all). So X holds again all that a commit could rest on. An
//   entry acknowledged to a leader of a later term cannot exist, by the next paragraph.
//   Forgotten votes. Suppose X voted for A in a term T' before its crash.
//     T' < T: X is in term T now and never votes in T' again.
//     T' = T: X takes L for its vote as soon as it hears from L (FollowLeader), so it gives
//       no second one; and A = L, or A's voters and L's would share a voter that gave two
//       votes without having forgotten one (or L was elected by an answer of all, in which
//       A, which votes for itself, would have refused).
//     T' > T: A had T' on its disk before it asked (AskVoters). A is a voter, and has
//       answered step 2 in term T, after X's crash. So A had not asked for T' by then, and
//       there was nothing for X to vote for. (A majority's answer would not do: a voter
//       outside of it may be the candidate that X's old vote is still on its way to.)
//
// An X that only listens is absolved by a quorum: of an X that is no voter in L's configuration,
// which is committed, step 2 asks only that a quorum of voters has answered the round. Voters that
// are gone for good hence do not stand in the way of a replica that takes the place of one.
//   No later configuration has X as a voter: it would be that of a leader of a later term, whose
//   voters would share one with the quorum that has answered in term T since; or L's own.
//   With an earlier one nobody can win any more, whatever X once promised: L's is committed, and
//   counted for that were only voters that forget nothing. X itself does not help a leader or a
//   candidate of an earlier configuration before it is sound, and then its term is T or later, and
//   its log holds L's configuration.
// So may forget everything who gave a replica away and gets it back (server/group.h, `damaged`).
//
// Until then X confirms no read-index round either: by an entry or a vote that it forgot, a
// later leader may have been there already. A leader that is itself unsound counts its own
// copies, and confirms its own rounds, only after step 2.
#include <algorithm>
#include <limits>

#include "base/check.h"
#include "base/mark.h"
#include "consensus/raft_core.h"

namespace cairn::consensus {

bool RaftCore::HearStanding(Progress& progress, uint64_t doubt) {
  if (doubt == 0 || doubt == progress.doubt()) return true;
  BeginRound();
  progress.BecomeUnsound(doubt, reads_.round(), terms_.Last().index);
  return false;
}

// What was sent before the crash also claims to be sound; only an answer to the absolution
// is newer than the doubt.
void RaftCore::MaybeCountAgain(Progress& progress, const AppendResponse& response) {
  if (!progress.unsound() || response.doubt != 0 || !response.accepted) return;
  if (response.absolved != progress.doubt()) return;
  if (response.match >= progress.absolve_target()) progress.BecomeSound();
}

bool RaftCore::MayAbsolve(NodeId id, const Progress& progress) const {
  if (!progress.unsound() || progress.state() != Progress::State::kReplicate) return false;
  if (RoundOfAllVoters() >= progress.absolve_round()) return true;
  if (membership().IsVoter(id) || !MembershipCommitted()) return false;
  if (RoundOfQuorum() < progress.absolve_round()) return false;
  Hit(Mark::kAbsolvedByQuorum);
  return true;
}

uint64_t RaftCore::RoundOfAllVoters() const {
  uint64_t round = reads_.round();
  for (const auto& [id, progress] : progress_) {
    if (membership().IsVoter(id)) round = std::min(round, progress.round());
  }
  return round;
}

// Requires: this node leads. May end the reign, as any commit may.
void RaftCore::MaybeAbsolve() {
  for (auto& [id, progress] : progress_) {
    if (MayAbsolve(id, progress) && progress.next() > progress.absolve_target()) {
      SendEmptyAppend(id, progress);
    }
  }
  if (standing_ != Standing::kSound && RoundOfAllVoters() >= absolve_round_) {
    BecomeSound();
    AnswerConfirmedReads();
    MaybeCommit();
  }
}

void RaftCore::MaybeBecomeSound() {
  if (standing_ == Standing::kSound || !absolve_target_) return;
  if (!writes_.Durable(absolve_target_)) return;
  BecomeSound();
}

void RaftCore::BecomeSound() {
  Hit(Mark::kAbsolved);
  standing_ = Standing::kSound;
  doubt_ = 0;
  absolve_target_ = Index();
}

}  // namespace cairn::consensus
