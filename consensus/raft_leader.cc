// RaftCore as the leader: proposals, replication and commit (thesis 3.5, 3.6, 10.2).
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/mark.h"
#include "base/planted_bug.h"
#include "consensus/raft_core.h"

namespace cairn::consensus {
namespace {

// Whether the leader and those others of whom `counts` is true are a quorum.
template <class Counts>
bool WinsWith(const Membership& members, const std::map<NodeId, Progress>& others, NodeId leader,
              const Counts& counts) {
  const VoteResult result = TallyVotes(members, [&](NodeId id) {
    if (id == leader) return Ballot::kGranted;
    const auto other = others.find(id);
    return other != others.end() && counts(id, other->second) ? Ballot::kGranted : Ballot::kRefused;
  });
  return result == VoteResult::kWon;
}

}  // namespace

// ---- The reign ---------------------------------------------------------------------

void RaftCore::BecomeLeader() {
  CHECK(role_ == Role::kCandidate);
  role_ = Role::kLeader;
  SetLeader(config_.self);
  election_ = {};
  heartbeat_elapsed_ticks_ = 0;
  Stir();
  reads_ = {};
  lease_ = LeaderLease(PromiseMicros());
  FollowMembership();
  // Without an entry of its own term a leader could neither commit what it inherited nor
  // know what is committed (thesis 3.6.2, 6.4).
  term_start_ = PLANTED(kNoNoopAtTermStart) ? terms_.Last().index
                                            : AppendOwn(EntryKind::kNoop, Bytes()).index;
  if (standing_ != Standing::kSound || config_.lease_reads) BeginRound();
  absolve_round_ = reads_.round();
  MaybeAbsolve();
}

void RaftCore::EndReign() {
  RefuseReads();
  progress_.clear();
  transfer_to_ = NodeId();
  uncommitted_.clear();
  uncommitted_bytes_ = 0;
}

void RaftCore::TickLeader() {
  for (auto& [id, progress] : progress_) progress.OnTick();
  if (!QuorumHeard()) {
    // Check-quorum: cut off from a majority, it stops passing for the leader (thesis 6.2).
    Hit(Mark::kQuorumLost);
    BecomeFollower(hard_state_.term, NodeId());
    return;
  }
  ++quiet_ticks_;
  if (transfer_to_ && ++transfer_elapsed_ticks_ >= config_.election_ticks) transfer_to_ = NodeId();
  if (++heartbeat_elapsed_ticks_ < config_.heartbeat_ticks) return;
  heartbeat_elapsed_ticks_ = 0;
  if (config_.lease_reads) {
    BeginRound();
  } else {
    BroadcastHeartbeat();
  }
  MaybeFallAsleep();  // A single voter has nobody to ask.
}

bool RaftCore::QuorumHeard() const {
  return WinsWith(membership(), progress_, config_.self, [&](NodeId, const Progress& progress) {
    return progress.silent_ticks() < config_.election_ticks;
  });
}

bool RaftCore::CommitsWithout(NodeId member) const {
  return WinsWith(membership(), progress_, config_.self, [&](NodeId id, const Progress& progress) {
    return id != member && !progress.unsound() &&
           progress.silent_ticks() < config_.election_ticks && progress.match() >= commit_;
  });
}

// Under load the last entries are always still on their way: what counts is that all else is there,
// and that it takes them.
bool RaftCore::KeepsUp(const Progress& progress) const {
  return progress.state() == Progress::State::kReplicate && !progress.unsound() &&
         progress.next() > commit_ && progress.silent_ticks() < config_.election_ticks;
}

bool RaftCore::QuorumWithout(bool (Progress::*these)() const) const {
  return WinsWith(membership(), progress_, config_.self, [&](NodeId, const Progress& progress) {
    return KeepsUp(progress) && !(progress.*these)();
  });
}

std::vector<NodeId> RaftCore::NeededButFull() const {
  std::vector<NodeId> full;
  for (const auto& [id, progress] : progress_) {
    if (progress.full() && membership().IsVoter(id)) full.push_back(id);
  }
  if (!full.empty() && QuorumWithout(&Progress::full)) full.clear();
  return full;
}

void RaftCore::BroadcastHeartbeat() {
  const bool sleep = MaySleep();
  for (const auto& [id, progress] : progress_) {
    const Index held = PLANTED(kHeartbeatTellsAllCommitted) ? commit_ : progress.match();
    Send(id, Heartbeat{.commit = std::min(held, commit_),
                       .context = reads_.round(),
                       .sleep = sleep,
                       .promise_us = config_.lease_reads ? PromiseMicros() : 0});
  }
}

// ---- Proposals -----------------------------------------------------------------------

ProposeResult RaftCore::CanPropose() const {
  if (role_ != Role::kLeader) return ProposeResult::kNotLeader;
  if (transfer_to_) return ProposeResult::kTransferring;
  if (uncommitted_bytes_ >= config_.uncommitted_bytes) return ProposeResult::kTooMuchUncommitted;
  return ProposeResult::kAccepted;
}

ProposeResult RaftCore::Propose(EntryKind kind, Bytes payload, Position* position) {
  CHECK(kind != EntryKind::kConfig);  // ProposeChange checks those.
  const ProposeResult result = CanPropose();
  if (result == ProposeResult::kAccepted) *position = AppendOwn(kind, std::move(payload));
  return result;
}

Position RaftCore::AppendOwn(EntryKind kind, Bytes payload) {
  Stir();
  const Index index = terms_.Last().index + 1;
  if (!payload.empty()) {
    uncommitted_.push_back({index, payload.size()});
    uncommitted_bytes_ += payload.size();
  }
  PutEntry({.index = index, .term = hard_state_.term, .kind = kind, .payload = std::move(payload)});
  return terms_.Last();
}

// ---- Commit ------------------------------------------------------------------------

void RaftCore::MaybeCommit() {
  const Index quorum(QuorumValue(membership(), [&](NodeId id) -> uint64_t {
    if (id == config_.self) {
      // Followers are sent entries before they are on our disk; only here does that count
      // (thesis 10.2.1).
      if (standing_ != Standing::kSound) return 0;
      return PLANTED(kOwnCopyBeforeSync) ? writes_.last().value() : writes_.persisted().value();
    }
    const auto member = progress_.find(id);
    if (member == progress_.end() || member->second.unsound()) return 0;
    return member->second.match().value();
  }));
  // Counting copies commits only entries of this term; older ones come along with them.
  // Otherwise a later leader could still overwrite them (thesis 3.6.2, figure 3.7).
  if (quorum <= commit_) return;
  if (terms_.At(quorum) != hard_state_.term && !PLANTED(kOldTermByCounting)) return;
  AdvanceCommit(quorum);
  OnCommitted();
}

void RaftCore::OnCommitted() {
  while (!uncommitted_.empty() && uncommitted_.front().index <= commit_) {
    uncommitted_bytes_ -= uncommitted_.front().bytes;
    uncommitted_.pop_front();
  }
  // Everything committed before this reign is covered from here on (thesis 6.4).
  reads_.SetIndexes(commit_);
  AnswerConfirmedReads();
  MaybeLeaveJoint();
  MaybeResign();
}

// ---- Answers -----------------------------------------------------------------------

Progress* RaftCore::FindProgress(NodeId id) {
  const auto member = progress_.find(id);
  return member == progress_.end() ? nullptr : &member->second;
}

void RaftCore::HandleAppendResponse(NodeId from, const AppendResponse& response) {
  Progress* progress = FindProgress(from);
  if (progress == nullptr) return;  // Not the leader any more, or no member.
  progress->OnHeard();
  if (!HearStanding(*progress, response.doubt)) return;
  MaybeCountAgain(*progress, response);
  progress->OnTakesRuns(response.takes_runs);
  progress->OnRoom(response.full, response.no_room);
  if (response.accepted) {
    HandleAccepted(from, *progress, response.match);
  } else if (response.contradicts) {
    HandleContradiction(*progress, response.hint);  // Last: it may end the reign.
  } else {
    HandleRejected(*progress, response);
  }
}

void RaftCore::HandleAccepted(NodeId from, Progress& progress, Index match) {
  if (match > terms_.Last().index) return;  // Nothing that we sent.
  progress.OnAccepted(match);
  if (from == transfer_to_) MaybeSendTimeoutNow();
  MaybeCommit();  // Last: it may end the reign.
}

// The follower named the last position that can match, seen from its side; here it is
// narrowed down from ours: nothing after our last entry whose term is not above the hint's
// can match either.
void RaftCore::HandleRejected(Progress& progress, const AppendResponse& response) {
  if (!progress.RejectionIsNews(response.rejected_prev)) return;
  if (progress.unsound()) progress.ForgetMatch();
  const Index agree = terms_.LastAtMost(response.hint.index, response.hint.term).index;
  const Index next = std::min(agree + 1, response.rejected_prev);
  if (next < response.rejected_prev) Hit(Mark::kBacktracked);
  progress.OnRejected();
  progress.BecomeProbe(std::max(progress.match() + 1, next));
}

void RaftCore::HandleHeartbeatResponse(NodeId from, const HeartbeatResponse& response) {
  Progress* progress = FindProgress(from);
  if (progress == nullptr) return;
  progress->OnHeard();
  HearStanding(*progress, response.doubt);
  const bool appends_seem_lost = progress->OnHeartbeatAnswered(response.context, response.fetching);
  // An empty append at the end of what was sent. If something before it was lost it is
  // rejected and the entries are sent again; if the disk over there is just slow, nothing
  // happens. After a probe that carried entries: at its beginning, so that an answer comes
  // at once and the entries need not travel again and again while the disk is busy with them.
  if (appends_seem_lost) SendEmptyAppend(from, *progress);
  if (response.promised) progress->OnPromised(response.context);
  progress->OnRoom(response.full, response.no_room);
  AnswerConfirmedReads();
  HearAsleep(from, response.asleep);
  MaybeAbsolve();  // Last: it may end the reign.
}

// ---- Sending -----------------------------------------------------------------------

bool RaftCore::AppendDue(const Progress& progress) const {
  const Index before_next = progress.next().Previous();
  if (progress.state() == Progress::State::kSnapshot) return progress.NeedsSnapshot();
  if (before_next < terms_.Before().index) return true;  // By a snapshot.
  // What it lacks it gets when it is needed, or has room.
  if (progress.no_room() && QuorumWithout(&Progress::no_room)) return false;
  if (progress.NeedsProbe()) return true;
  return progress.CanSendEntries() && progress.next() <= terms_.Last().index;
}

void RaftCore::SendDueAppend(NodeId to, Progress& progress) {
  if (!AppendDue(progress)) return;
  if (progress.state() == Progress::State::kSnapshot ||
      progress.next().Previous() < terms_.Before().index) {
    SendSnapshot(to, progress);
    return;
  }
  const Index last =
      std::min(progress.next().Previous() + config_.append_entries, terms_.Last().index);
  if (progress.CanSendEntries() && progress.next() <= last) {
    SendAppend(to, progress, last);
    progress.OnHandedOut();
    return;
  }
  SendEmptyAppend(to, progress);
  progress.OnEmptyProbeSent();
}

bool RaftCore::CommitNoticeDue(const Progress& progress) const {
  return progress.state() == Progress::State::kReplicate &&
         progress.told_commit() < std::min(commit_, progress.match());
}

void RaftCore::SendDueCommitNotice(NodeId to, Progress& progress) {
  if (!CommitNoticeDue(progress)) return;
  const Index commit = std::min(commit_, progress.match());
  progress.TellCommit(commit);
  Send(to, CommitNotice{.commit = commit});
}

void RaftCore::SendEmptyAppend(NodeId to, Progress& progress) {
  if (progress.next().Previous() < terms_.Before().index) return;  // A snapshot is due.
  SendAppend(to, progress, progress.next().Previous());
}

void RaftCore::SendAppend(NodeId to, Progress& progress, Index last) {
  const Index prev = progress.next().Previous();
  const std::optional<Term> prev_term = terms_.At(prev);
  CHECK(prev_term.has_value());
  const bool absolves = MayAbsolve(to, progress) && prev >= progress.absolve_target();
  progress.TellCommit(std::min(commit_, last));
  Send(to, AppendRequest{.prev = {*prev_term, prev},
                         .last = last,
                         .commit = commit_,
                         .absolves = absolves ? progress.doubt() : 0,
                         .entries = {}});
}

void RaftCore::SendSnapshot(NodeId to, Progress& progress) {
  const Position position = terms_.Before();
  progress.BecomeSnapshot(position.index);
  progress.OnSnapshotSent();
  Hit(Mark::kSnapshotSent);
  Send(to,
       SnapshotRequest{
           .position = position, .membership = MembershipAt(position.index), .snapshot = Bytes()});
}

void RaftCore::OnAppendSent(NodeId to, Index last, uint64_t bytes) {
  if (Progress* progress = FindProgress(to)) progress->OnSent(last, bytes);
}

void RaftCore::OnAppendDeferred(NodeId to, Index /*prev*/) {
  if (Progress* progress = FindProgress(to)) progress->OnDeferred();
}

void RaftCore::OnAppendReady(NodeId to) {
  if (Progress* progress = FindProgress(to)) progress->OnReady();
}

void RaftCore::OnUnreachable(NodeId to) {
  Progress* const progress = FindProgress(to);
  if (progress == nullptr) return;
  Stir();
  progress->OnUnreachable();
}

void RaftCore::CheckLeaderInvariants() const {
  CHECK_EQ(leader_, config_.self);
  if (PLANTED(kNoNoopAtTermStart)) return;
  CHECK_EQ(terms_.Last().term, hard_state_.term);
  CHECK_LE(term_start_, terms_.Last().index);
  CHECK(terms_.At(term_start_).value_or(hard_state_.term) == hard_state_.term);
  CHECK(!transfer_to_ || membership().IsVoter(transfer_to_));
  for (const NodeId id : membership().All()) {
    CHECK_EQ(progress_.contains(id), id != config_.self);
  }
  for (const auto& [id, progress] : progress_) {
    CHECK(membership().Contains(id));
    progress.CheckInvariants(terms_.Last().index);
  }
  uint64_t bytes = 0;
  for (const Uncommitted& entry : uncommitted_) {
    CHECK_GT(entry.index, commit_);
    bytes += entry.bytes;
  }
  CHECK_EQ(bytes, uncommitted_bytes_);
}

}  // namespace cairn::consensus
