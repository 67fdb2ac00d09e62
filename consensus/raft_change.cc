// RaftCore's changes of who is in charge: membership (thesis 4.3) and leadership transfer
// (thesis 3.10).
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/mark.h"
#include "base/planted_bug.h"
#include "base/status_macros.h"
#include "consensus/raft_core.h"

namespace cairn::consensus {

// ---- Membership ----------------------------------------------------------------------

absl::Status RaftCore::ProposeChange(const MembershipChange& change, Position* position) {
  if (role_ != Role::kLeader) return absl::UnavailableError("not the leader");
  if (transfer_to_) return absl::UnavailableError("a leadership transfer is under way");
  if (!LeadsWithCommittedTerm()) {
    // A configuration of an earlier leader may still be undecided (thesis 4.1; the mistake
    // in single-server changes that was found in 2015).
    return absl::FailedPreconditionError("this leader has not committed an entry of its term");
  }
  if (memberships_.back().first > commit_) {
    return absl::FailedPreconditionError(
        fmt::format("the configuration at index {} is not committed", memberships_.back().first));
  }
  ASSIGN_OR_RETURN(const Membership next, BeginChange(membership(), change));
  RETURN_IF_ERROR(CheckCaughtUp(change));
  Hit(next.joint() ? Mark::kJointEntered : Mark::kLearnersChanged);
  *position = AppendOwn(EntryKind::kConfig, Bytes(EncodeMembership(next)));
  return absl::OkStatus();
}

// A voter that lags would stop commits until it has caught up (thesis 4.2.1).
absl::Status RaftCore::CheckCaughtUp(const MembershipChange& change) const {
  for (const NodeId id : change.voters) {
    const auto member = progress_.find(id);
    if (member == progress_.end() || membership().IsVoter(id)) continue;
    const Progress& progress = member->second;
    if (progress.unsound()) {
      return absl::FailedPreconditionError(fmt::format("node {} doubts its own disk", id));
    }
    if (progress.full()) {
      return absl::FailedPreconditionError(
          fmt::format("the disk of node {} is below its watermark", id));
    }
    if (!KeepsUp(progress)) {
      return absl::FailedPreconditionError(
          fmt::format("node {} has not caught up: it holds entries through {}, committed are {}",
                      id, progress.match(), commit_));
    }
  }
  return CheckQuorumOf(change.voters);
}

// A set of which no majority is there now would stop the log at once, and the change could not
// be undone. Who is there has acknowledged something in this reign: that it was not silent for
// long means little when the reign has just begun.
absl::Status RaftCore::CheckQuorumOf(const std::vector<NodeId>& voters) const {
  const auto there =
      static_cast<size_t>(std::count_if(voters.begin(), voters.end(), [&](NodeId id) {
        if (id == config_.self) return true;
        const auto member = progress_.find(id);
        return member != progress_.end() && !member->second.unsound() &&
               member->second.match() != Index() &&
               member->second.silent_ticks() < config_.election_ticks;
      }));
  if (there > voters.size() / 2) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("{} of the {} voters would be up and trust their disks, a majority is needed",
                  there, voters.size()));
}

void RaftCore::ChangeMembership(Index index, Membership membership) {
  memberships_.emplace_back(index, std::move(membership));
  if (role_ == Role::kLeader) FollowMembership();
}

// Makes the set of Progress that of the members in force.
void RaftCore::FollowMembership() {
  const Index next = terms_.Last().index + 1;
  const Window window{.bytes = config_.inflight_bytes, .messages = config_.inflight_messages};
  for (const NodeId id : membership().All()) {
    if (id != config_.self) progress_.try_emplace(id, next, window);
  }
  std::erase_if(progress_, [&](const auto& m) { return !membership().Contains(m.first); });
  lease_.Forget();
  if (transfer_to_ && !membership().IsVoter(transfer_to_)) transfer_to_ = NodeId();
}

void RaftCore::MaybeLeaveJoint() {
  if (!membership().joint() || !LeadsWithCommittedTerm()) return;
  if (memberships_.back().first > commit_ && !PLANTED(kJointLeftEarly)) return;
  Hit(Mark::kJointLeft);
  AppendOwn(EntryKind::kConfig, Bytes(EncodeMembership(LeaveJoint(membership()))));
}

// A leader that is no voter any more has managed the cluster up to this commit (thesis
// 4.2.2). It names an heir, so that nobody has to wait for a timeout.
void RaftCore::MaybeResign() {
  if (membership().IsVoter(config_.self) || memberships_.back().first > commit_) return;
  Hit(Mark::kResigned);
  if (const NodeId heir = BestHeir()) Send(heir, TimeoutNow{});
  BecomeFollower(hard_state_.term, NodeId());
}

// ---- Transfer -------------------------------------------------------------------------

bool RaftCore::TransferLeadership(NodeId to) {
  if (role_ != Role::kLeader) return false;
  Stir();
  if (!to) to = BestHeir();
  const Progress* progress = FindProgress(to);
  if (progress == nullptr || !membership().IsVoter(to) || progress->unsound()) return false;
  if (to != transfer_to_) transfer_elapsed_ticks_ = 0;
  transfer_to_ = to;
  MaybeSendTimeoutNow();
  return true;
}

// The voter that was heard from lately and has the longest log; 0: none.
NodeId RaftCore::BestHeir() const {
  NodeId best;
  Index best_match;
  for (const auto& [id, progress] : progress_) {
    if (!membership().IsVoter(id) || progress.unsound()) continue;
    if (progress.silent_ticks() >= config_.election_ticks) continue;
    if (best && progress.match() <= best_match) continue;
    best = id;
    best_match = progress.match();
  }
  return best;
}

void RaftCore::MaybeSendTimeoutNow() {
  if (FindProgress(transfer_to_)->match() < terms_.Last().index) return;
  // It may take over at any time from now on, even after the transfer was given up.
  lease_.Spoil();
  Hit(Mark::kTransferred);
  Send(transfer_to_, TimeoutNow{});
}

}  // namespace cairn::consensus
