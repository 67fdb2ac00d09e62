// Dispatch, term rules, writes and the view of RaftCore.
#include "consensus/raft_core.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/mark.h"
#include "base/overloaded.h"

namespace cairn::consensus {

RaftCore::RaftCore(const Config& config, InitialState initial, Random* random)
    : config_(config),
      random_(random),
      hard_state_(initial.hard_state),
      terms_(std::move(initial.terms)),
      memberships_(std::move(initial.memberships)),
      standing_(config.standing),
      writes_(terms_.Last().index),
      applied_(initial.applied),
      lease_(PromiseMicros()) {
  CHECK_GT(config_.election_ticks, config_.heartbeat_ticks);
  CHECK(!memberships_.empty());
  CHECK_LE(applied_, terms_.Last().index);
  if (standing_ != Standing::kSound) doubt_ = random_->Next() | 1;
  // A node that lost the end of its log may have a commit hint past it, and one that lost
  // who knows what believes only what a leader verifies.
  const Index hint =
      standing_ == Standing::kLost ? Index() : std::min(hard_state_.commit, terms_.Last().index);
  commit_ = std::max({hint, applied_, terms_.Before().index});
  told_commit_ = applied_;
  told_term_ = hard_state_.term;
  // Who has taken part in no term has promised nobody anything (raft_reads.cc).
  may_have_promised_ = config_.lease_reads && hard_state_.term != Term();
  ResetElectionTimer();
  if (config_.first_mover) timeout_ticks_ = std::min(timeout_ticks_, kFirstMoveTicks);
}

// ---- Time and terms --------------------------------------------------------------

void RaftCore::SetTime(MonoMicros now) {
  now_us_ = std::max(now_us_, now);
  if (!std::exchange(may_have_promised_, false) || PLANTED(kPromiseForgotten)) return;
  promised_until_ = now_us_ + PromiseMicros();
}

void RaftCore::Tick() {
  ++now_tick_;
  if (now_tick_ >= config_.election_ticks) {
    RefuseForwardedReads(forwarded_.TakeThrough(now_tick_ - config_.election_ticks));
  }
  if (asleep_) {
    TickAsleep();
  } else if (role_ == Role::kLeader) {
    TickLeader();
  } else {
    TickFollower();
  }
}

void RaftCore::ResetElectionTimer() {
  elapsed_ticks_ = 0;
  leader_gone_ = false;
  timeout_ticks_ = config_.election_ticks + config_.priority_penalty_ticks +
                   static_cast<uint32_t>(random_->Below(config_.election_ticks));
}

void RaftCore::ChangeHardState(Term term, NodeId vote) {
  hard_state_.term = term;
  hard_state_.vote = vote;
  writes_.OnHardStateChanged();
}

void RaftCore::SetLeader(NodeId leader) {
  if (leader_ == leader) return;
  leader_ = leader;
  // Whoever was asked may never answer.
  RefuseForwardedReads(forwarded_.Clear());
}

void RaftCore::BecomeFollower(Term term, NodeId leader) {
  CHECK_GE(term, hard_state_.term);
  if (role_ == Role::kLeader) EndReign();
  if (term > hard_state_.term) {
    // The leader of the term was elected, so a vote for it changes nothing, but it keeps
    // this node from giving another after a restart.
    ChangeHardState(term, leader);
    verified_ = Index();
    absolve_target_ = Index();
  }
  role_ = Role::kFollower;
  SetLeader(leader);
  election_ = {};
  ResetElectionTimer();
}

// ---- Messages in -----------------------------------------------------------------

void RaftCore::Step(Message message) {
  CHECK_EQ(message.to, config_.self);
  if (DropsAsStranger(message)) return;
  WakeFor(message);
  if (const auto* request = std::get_if<VoteRequest>(&message.body);
      request != nullptr && message.term >= hard_state_.term && Sticky(*request)) {
    Hit(Mark::kVoteRefusedWhileLeaderLives);
    return;
  }
  if (message.term < hard_state_.term) {
    StepLowerTerm(message);
    return;
  }
  if (message.term > hard_state_.term) StepHigherTerm(message);
  StepBody(message);
}

// A node that was removed, and does not know, must not raise our term or be counted. Vote
// requests pass (the sender may be a voter by a configuration that is still on its way to
// us) and so does whatever leads: those are restrained by stickiness and by elections.
bool RaftCore::DropsAsStranger(const Message& message) const {
  if (membership().Contains(message.from)) return false;
  return std::visit(
      Overloaded{[](const VoteResponse&) { return true; },
                 [](const AppendResponse&) { return true; },
                 [](const HeartbeatResponse&) { return true; },
                 [&](const ReadIndexRequest&) { return message.term > hard_state_.term; },
                 [](const auto&) { return false; }},
      message.body);
}

bool RaftCore::Sticky(const VoteRequest& request) const {
  if (request.transfer) return false;
  // A promise outlives the knowledge of who leads.
  if (role_ == Role::kLeader || HasPromised()) return true;
  if (!leader_) return false;
  if (request.leader_gone && !config_.lease_reads && links_down_.contains(leader_)) return false;
  return leader_heard_tick_ && now_tick_ - *leader_heard_tick_ < config_.election_ticks;
}

void RaftCore::StepHigherTerm(const Message& message) {
  // A pre-vote asks about a term that has not begun, and a grant of one echoes it (thesis
  // 9.6): neither moves ours.
  const bool moves_term = std::visit(
      Overloaded{[](const VoteRequest& m) { return !m.pre_vote; },
                 [](const VoteResponse& m) { return !m.pre_vote || !(m.granted || m.conditional); },
                 [](const auto&) { return true; }},
      message.body);
  if (!moves_term) return;
  const bool leads = std::holds_alternative<AppendRequest>(message.body) ||
                     std::holds_alternative<Heartbeat>(message.body) ||
                     std::holds_alternative<CommitNotice>(message.body) ||
                     std::holds_alternative<SnapshotRequest>(message.body);
  BecomeFollower(message.term, leads ? message.from : NodeId());
}

// The sender lives in the past. Requests are answered so that it learns of our term; a
// deposed leader steps down by it, and a node that went ahead alone can come back.
void RaftCore::StepLowerTerm(const Message& message) {
  const auto teach = [&](const auto&) { Send(message.from, AppendResponse{}); };
  std::visit(
      Overloaded{[&](const VoteRequest& m) {
                   Send(message.from,
                        VoteResponse{
                            .pre_vote = m.pre_vote, .last = terms_.Last(), .ballot = m.ballot});
                 },
                 [&](const VoteResponse& m) {
                   // A refusal carries the term of the refusing voter.
                   if (m.pre_vote && !m.granted) HandleVoteResponse(message.from, m);
                 },
                 [&](const AppendRequest& m) { teach(m); }, [&](const Heartbeat& m) { teach(m); },
                 [&](const SnapshotRequest& m) { teach(m); }, [&](const RunOffer& m) { teach(m); },
                 [&](const ReadIndexRequest& m) {
                   Send(message.from, ReadIndexResponse{.context = m.context});
                 },
                 [](const auto&) {}},
      message.body);
}

void RaftCore::StepBody(Message& message) {
  const NodeId from = message.from;
  std::visit(Overloaded{[&](const VoteRequest& m) { HandleVoteRequest(message, m); },
                        [&](const VoteResponse& m) { HandleVoteResponse(from, m); },
                        [&](AppendRequest& m) { HandleAppend(from, m); },
                        [&](const AppendResponse& m) { HandleAppendResponse(from, m); },
                        [&](const Heartbeat& m) { HandleHeartbeat(from, m); },
                        [&](const HeartbeatResponse& m) { HandleHeartbeatResponse(from, m); },
                        [&](const CommitNotice& m) { HandleCommitNotice(from, m); },
                        [&](SnapshotRequest& m) { HandleSnapshot(from, m); },
                        [&](const RunOffer& m) { HandleRunOffer(from, m); },
                        [&](const TimeoutNow&) { HandleTimeoutNow(from); },
                        [&](const ReadIndexRequest& m) { HandleReadIndexRequest(from, m); },
                        [&](const ReadIndexResponse& m) { HandleReadIndexResponse(from, m); }},
             message.body);
}

// ---- Messages out, writes ----------------------------------------------------------

void RaftCore::Send(NodeId to, Body body) { Send(to, hard_state_.term, std::move(body)); }

void RaftCore::Send(NodeId to, Term term, Body body) {
  ready_.messages.push_back({config_.self, to, term, std::move(body)});
}

void RaftCore::SendWhenDurable(NodeId to, Index through, Body body) {
  Message message{config_.self, to, hard_state_.term, std::move(body)};
  if (writes_.Durable(through)) {
    Release(std::move(message));
  } else {
    writes_.Hold(std::move(message), through);
  }
}

// Lets go a message that waited for the disk, unless it has become pointless meanwhile.
void RaftCore::Release(Message message) {
  if (message.term != hard_state_.term) return;
  if (std::holds_alternative<VoteRequest>(message.body) && role_ != Role::kCandidate) return;
  if (auto* ack = std::get_if<AppendResponse>(&message.body)) {
    ack->doubt = doubt_;
  }
  if (message.to == config_.self) {
    Step(std::move(message));  // Our own vote.
  } else {
    ready_.messages.push_back(std::move(message));
  }
}

void RaftCore::OnPersisted(WriteId id) {
  std::vector<Message> held = writes_.Complete(id);
  MaybeBecomeSound();
  for (Message& message : held) Release(std::move(message));
  if (role_ == Role::kLeader) MaybeCommit();
}

// Requires: a kConfig entry decodes (those of others were tried when they arrived).
void RaftCore::PutEntry(Entry entry) {
  if (entry.kind == EntryKind::kConfig) {
    absl::StatusOr<Membership> membership = DecodeMembership(entry.payload.view());
    CHECK(membership.ok());
    ChangeMembership(entry.index, *std::move(membership));
  }
  terms_.Append(entry.index, entry.term);
  writes_.Append(std::move(entry));
}

void RaftCore::TruncateAfter(Index last) {
  CHECK_GE(last, commit_);
  terms_.TruncateAfter(last);
  // A configuration is in force only as long as its entry is in the log (thesis 4.1).
  while (memberships_.size() > 1 && memberships_.back().first > last) memberships_.pop_back();
}

void RaftCore::AdvanceCommit(Index commit) {
  CHECK_LE(commit, terms_.Last().index);
  commit_ = std::max(commit_, commit);
}

void RaftCore::OnApplied(Index index) {
  CHECK_LE(index, commit_);
  applied_ = std::max(applied_, index);
  told_commit_ = std::max(told_commit_, index);
}

void RaftCore::OnTrimmed(Position before) {
  CHECK_LE(before.index, applied_);
  CHECK(terms_.Matches(before));
  terms_.TrimThrough(before.index);
  // The first configuration left is the one in force before the first kept entry.
  while (memberships_.size() > 1 && memberships_[1].first <= before.index) {
    memberships_.erase(memberships_.begin());
  }
}

bool RaftCore::HasReady() const {
  if (!ready_.empty() || writes_.HasWrite() || commit_ > told_commit_) return true;
  if (told_term_ != hard_state_.term || told_role_ != role_ || told_leader_ != leader_) return true;
  return std::any_of(progress_.begin(), progress_.end(), [&](const auto& member) {
    return AppendDue(member.second) || CommitNoticeDue(member.second);
  });
}

Ready RaftCore::TakeReady() {
  // Appends are formed only now, so that all proposals of a turn go in one message.
  for (auto& [id, progress] : progress_) {
    SendDueAppend(id, progress);  // It tells of commits too.
    SendDueCommitNotice(id, progress);
  }
  Ready ready = std::exchange(ready_, {});
  hard_state_.commit = commit_;
  ready.write = writes_.Take(hard_state_);
  if (commit_ > told_commit_) ready.commit = commit_;
  told_commit_ = std::max(told_commit_, commit_);
  ready.role_changed =
      told_term_ != hard_state_.term || told_role_ != role_ || told_leader_ != leader_;
  told_term_ = hard_state_.term;
  told_role_ = role_;
  told_leader_ = leader_;
  reads_.OnMessagesLeft();
  return ready;
}

// ---- View ------------------------------------------------------------------------

const Membership& RaftCore::MembershipAt(Index index) const {
  CHECK_GE(index, terms_.Before().index);
  const auto after = std::find_if(memberships_.begin() + 1, memberships_.end(),
                                  [&](const auto& m) { return m.first > index; });
  return std::prev(after)->second;
}

bool RaftCore::LeadsWithCommittedTerm() const {
  return role_ == Role::kLeader && commit_ >= term_start_;
}

bool RaftCore::HasQuorumContact() const {
  if (asleep_) return true;  // It would have been woken.
  if (role_ == Role::kLeader) return QuorumHeard();
  return leader_ && leader_heard_tick_ && now_tick_ - *leader_heard_tick_ < config_.election_ticks;
}

void RaftCore::CheckInvariants() const {
  CHECK_LE(terms_.Before().index, applied_);
  CHECK_LE(applied_, commit_);
  CHECK_LE(commit_, terms_.Last().index);
  CHECK_LE(terms_.Last().term, hard_state_.term);
  CHECK_EQ(writes_.last(), terms_.Last().index);
  CHECK(writes_.installing() || writes_.persisted() >= terms_.Before().index);
  writes_.CheckInvariants();

  CHECK_LE(memberships_.front().first, terms_.Before().index);
  for (size_t i = 1; i < memberships_.size(); ++i) {
    CHECK_LE(memberships_[i - 1].first, memberships_[i].first);
    CHECK_LE(memberships_[i - 1].second.version, memberships_[i].second.version);
  }
  CHECK_LE(memberships_.back().first, terms_.Last().index);

  if (asleep_) {
    CHECK(role_ == Role::kFollower || role_ == Role::kLeader);
    CHECK(leader_ != NodeId());
    CHECK_EQ(commit_, terms_.Last().index);
    CHECK(!config_.lease_reads);
  }
  switch (role_) {
    case Role::kFollower:
      CHECK_NE(leader_, config_.self);
      break;
    case Role::kPreCandidate:
      CHECK_EQ(leader_, NodeId());
      break;
    case Role::kCandidate:
      CHECK_EQ(leader_, NodeId());
      CHECK_EQ(hard_state_.vote, config_.self);
      break;
    case Role::kLeader:
      CHECK(!suspect_);
      CheckLeaderInvariants();
      return;
  }
  CHECK(progress_.empty());
  CHECK(!transfer_to_);
  CHECK(reads_.empty());
}

}  // namespace cairn::consensus
