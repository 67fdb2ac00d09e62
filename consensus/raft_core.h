// RaftCore: the consensus rules of one group, and nothing else.
//
// State and input in, work out: no I/O, clock, thread, lock or randomness of its own.
// Time is Tick(), and for leader leases SetTime(); jitter comes from the generator given in.
// Payloads are never read (but kConfig) and never kept: terms of kept entries live in a TermMap,
// and an outgoing append names a range that the driver fills (message.h).
//
// Driver's duty: server/group calls any of the inputs below, then TakeReady(), and does
// what ready.h says. All inputs are cheap; none fails but by a returned enum.
//
// Sources: raft_core.cc (dispatch, term rules, writes), one per role (raft_follower.cc,
// raft_candidate.cc, raft_leader.cc), and one per subject that crosses roles: raft_reads.cc,
// raft_change.cc (membership, transfer), raft_sleep.cc (groups that hibernate),
// raft_standing.cc (nodes that doubt their disk), raft_suspect.cc (entries that followers refuse),
// raft_runs.cc (entries that are fetched in bulk).
//
// Order that cannot be got wrong: a vote or an acknowledgement which depends on a write
// stays inside the core until OnPersisted(write id). The leader's own copy counts
// towards a commit only then, while followers are already being sent the entries.
// When a later write replaces a suffix that an earlier, still unfinished one wrote, the
// earlier notice confirms only what was not replaced (the "ABA" case).
//
// Threads: none; owned by one worker.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/planted_bug.h"
#include "base/random.h"
#include "consensus/membership.h"
#include "consensus/message.h"
#include "consensus/progress.h"
#include "consensus/quorum.h"
#include "consensus/read_index.h"
#include "consensus/ready.h"
#include "consensus/term_map.h"
#include "consensus/types.h"
#include "consensus/write_queue.h"

namespace cairn::consensus {

struct Config {
  NodeId self;
  // A follower campaigns after [election_ticks, 2 * election_ticks) without a leader.
  uint32_t election_ticks = 10;
  uint32_t heartbeat_ticks = 1;
  // Appends in flight to one follower, in bytes and in messages.
  uint64_t inflight_bytes = 32 << 20;
  uint32_t inflight_messages = 256;
  // Entries that one append message may name.
  uint32_t append_entries = 1024;
  // Proposals are refused while that many bytes are not committed.
  uint64_t uncommitted_bytes = 64 << 20;
  // How long a tick is meant to be, by the clock of SetTime: a lease's length is told in time.
  int64_t tick_us = 10'000;
  // Reads under a leader lease instead of a quorum round (thesis 6.4.1), and promises to leaders
  // that ask for them. Off by default; while on, leader-gone hints are ignored.
  bool lease_reads = false;
  // A group hibernates after that many ticks in which nothing was asked of it (raft_sleep.cc);
  // 0: never. Without effect under lease_reads.
  uint32_t hibernate_ticks = 0;
  // A node with a lower priority waits longer before it campaigns: its timeout is
  // stretched by `priority_penalty_ticks`.
  uint32_t priority_penalty_ticks = 0;
  // Of a group that was made a moment ago: this node campaigns almost at once, since nobody
  // can have led yet. Chosen alike on all nodes; wrong choices cost an election, no more.
  bool first_mover = false;
  // How the disk came back (types.h).
  Standing standing = Standing::kSound;
};

// What the store knows about the group when the process starts.
struct InitialState {
  HardState hard_state;
  // Term of every kept entry, and the position before the first of them.
  TermMap terms;
  // Configurations that are in force as of each index, oldest first; the first one is
  // that of the state before the first kept entry. Never empty.
  std::vector<std::pair<Index, Membership>> memberships;
  // Entries through here are already part of the state machine's state.
  Index applied;
};

enum class ProposeResult : uint8_t {
  kAccepted,
  kNotLeader,
  kTransferring,  // A leadership transfer is under way; retry soon, here or at the heir.
  kTooMuchUncommitted,
};

class RaftCore {
 public:
  // `random` must outlive the core.
  RaftCore(const Config& config, InitialState initial, Random* random);

  // ---- Inputs -----------------------------------------------------------------
  // What the driver's monotonic clock shows (it goes on while the process is stopped), read after
  // it took the inputs that follow from wherever they waited, and before it sends what comes of
  // them. Leases and promises go by it alone; needed with lease_reads only.
  void SetTime(MonoMicros now);
  // While asleep(): at the driver's slow pace, the same on all nodes.
  void Tick();
  // Requires: message.to is this node. Messages of strangers are dropped when they
  // could disturb (thesis 4.2.3) and answered when they may teach.
  void Step(Message message);

  // Appends one entry if this node leads. On kAccepted `*position` is its place.
  ProposeResult Propose(EntryKind kind, Bytes payload, Position* position);
  // What Propose would answer now, for a caller that has costly work to do first. A
  // kAccepted holds until the next input.
  [[nodiscard]] ProposeResult CanPropose() const;
  // Begins a membership change; the core itself leaves the joint configuration. Refused
  // (with the reason) while one is under way, before this term's first commit, or for a
  // promotion of a learner that has not caught up.
  absl::Status ProposeChange(const MembershipChange& change, Position* position);

  // Asks for a linearizable read point; the answer arrives in Ready.read_states. Works
  // on followers too (it asks the leader). `context` is the caller's, unique per node
  // and not 0.
  void ReadIndex(uint64_t context);

  void OnPersisted(WriteId id);
  // Entries through `index` are applied.
  void OnApplied(Index index);
  // Entries before `first` are gone from the store; `before` is the position just
  // before it. Requires: before.index <= applied.
  void OnTrimmed(Position before);

  // The group filled an append to `to` and sent entries through `last` (at most what
  // the message named, perhaps fewer) with `bytes` of payload.
  // Not needed for an append that names no entries.
  void OnAppendSent(NodeId to, Index last, uint64_t bytes);
  // The group has to read from disk first: nothing was sent, and nothing more is asked
  // for until OnAppendReady, which repeats the range.
  void OnAppendDeferred(NodeId to, Index prev);
  void OnAppendReady(NodeId to);
  // The group offered `to` the run of entries through `through` instead of the append that it had
  // in hand. Requires: MayOfferRun(to).
  void OnRunOffered(NodeId to, Index through);
  // The transport could not deliver to `to` (full queue, broken link).
  void OnUnreachable(NodeId to);

  // This node's connection to the leader died and reconnecting is refused: its process
  // is gone. May begin a pre-vote before the timeout (design section 7).
  void OnLeaderGone();
  // A peer's link state, for judging others' leader_gone hints.
  void OnLinkDown(NodeId peer);
  void OnLinkUp(NodeId peer);
  // The node of a peer gave no sign of life for an election timeout, whatever the links say; or
  // it gives them again.
  void OnNodeSilent(NodeId peer);
  void OnNodeHeard(NodeId peer);
  // The group has reasons of its own not to hibernate for now.
  void StayAwake() { Stir(); }

  // Hands leadership to `to` (0: the voter with the longest log). False: not the leader,
  // or `to` is no voter. Proposals are refused until it is done or an election timeout
  // has passed.
  bool TransferLeadership(NodeId to);

  // All work since the last call.
  [[nodiscard]] Ready TakeReady();
  [[nodiscard]] bool HasReady() const;

  // ---- View ---------------------------------------------------------------------
  [[nodiscard]] Role role() const { return role_; }
  [[nodiscard]] Term term() const { return hard_state_.term; }
  [[nodiscard]] NodeId leader() const { return leader_; }  // 0: unknown.
  [[nodiscard]] NodeId self() const { return config_.self; }
  [[nodiscard]] Index commit() const { return commit_; }
  [[nodiscard]] Index applied() const { return applied_; }
  [[nodiscard]] Index persisted() const { return writes_.persisted(); }
  [[nodiscard]] Position last() const { return terms_.Last(); }
  [[nodiscard]] const TermMap& terms() const { return terms_; }
  [[nodiscard]] NodeId vote() const { return hard_state_.vote; }
  [[nodiscard]] Standing standing() const { return standing_; }
  // The entry for which a majority refused to follow this leader (raft_suspect.cc); until the
  // process ends it does not lead again. Nullopt: none.
  [[nodiscard]] std::optional<Position> suspect() const { return suspect_; }
  // In force now, and as of `index` (kept range).
  [[nodiscard]] const Membership& membership() const {
    return PLANTED(kNewMembersAtCommit) ? MembershipAt(commit_) : memberships_.back().second;
  }
  [[nodiscard]] const Membership& MembershipAt(Index index) const;
  // Whether the one in force cannot be taken back any more.
  [[nodiscard]] bool MembershipCommitted() const { return memberships_.back().first <= commit_; }
  // Leader whose own no-op is committed: conditions may be judged (design 5.1).
  [[nodiscard]] bool LeadsWithCommittedTerm() const;
  // Has heard from a leader, or as one from a quorum, within an election timeout.
  [[nodiscard]] bool HasQuorumContact() const;
  [[nodiscard]] bool transferring() const { return transfer_to_ != NodeId(); }
  // The group hibernates here: no ticks are needed but slow ones.
  [[nodiscard]] bool asleep() const { return asleep_; }
  // Leader only: whether the others that keep up are enough to commit, so that nobody waits for
  // what `member` lacks.
  [[nodiscard]] bool CommitsWithout(NodeId member) const;
  // Leader only: the members whose disks are below their watermark, if there is no quorum of others
  // that keep up; else none.
  [[nodiscard]] std::vector<NodeId> NeededButFull() const;
  // Leader only: whether an append to `to` that is due may be a RunOffer.
  [[nodiscard]] bool MayOfferRun(NodeId to) const;
  // Leader only: what is known of each other member.
  [[nodiscard]] const std::map<NodeId, Progress>& progress() const { return progress_; }

  // CHECKs everything that must hold between steps; cheap enough for every simulated
  // step.
  void CheckInvariants() const;

 private:
  // Followers that notice the end of the leader's process campaign this far apart.
  static constexpr uint32_t kHintTurnTicks = 2;
  // Slow ticks without an answer after which a leader that sleeps wakes, and a follower without
  // a word of its leader (a little later, so that it is not the first).
  static constexpr uint32_t kLeaderPatience = 3;
  static constexpr uint32_t kFollowerPatience = 4;
  // The first mover gives the others that long to open the group.
  static constexpr uint32_t kFirstMoveTicks = 2;

  enum class CampaignKind : uint8_t {
    kPreVote,
    kVote,
    kTransfer,  // A vote, asked for by the leader: nobody's stickiness stands against it.
  };
  // Answers to this node's (pre-)vote requests.
  struct Election {
    bool leader_gone = false;
    uint64_t ballot = 0;
    std::map<NodeId, VoteResponse> answers;
  };

  // ---- raft_core.cc ---------------------------------------------------------------
  void BecomeFollower(Term term, NodeId leader);
  void SetLeader(NodeId leader);
  void ChangeHardState(Term term, NodeId vote);
  void ResetElectionTimer();
  [[nodiscard]] bool DropsAsStranger(const Message& message) const;
  // Whether a vote request must be ignored, since this node has a leader (thesis 4.2.3).
  [[nodiscard]] bool Sticky(const VoteRequest& request) const;
  [[nodiscard]] int64_t PromiseMicros() const { return config_.election_ticks * config_.tick_us; }
  void StepHigherTerm(const Message& message);
  void StepLowerTerm(const Message& message);
  void StepBody(Message& message);
  void Send(NodeId to, Body body);
  void Send(NodeId to, Term term, Body body);
  // Sends once entries through `through` and the hard state are on disk.
  void SendWhenDurable(NodeId to, Index through, Body body);
  void Release(Message message);
  void PutEntry(Entry entry);
  void TruncateAfter(Index last);
  void AdvanceCommit(Index commit);

  // ---- raft_follower.cc -----------------------------------------------------------
  void TickFollower();
  void FollowLeader(NodeId leader);
  void HandleAppend(NodeId from, AppendRequest& request);
  // Takes over what is not there yet; conflicting entries go.
  void TakeEntries(std::vector<Entry>& entries);
  void Reject(NodeId to, Position prev);
  void Contradict(NodeId to, Position refused);
  void Acknowledge(NodeId to, Index match, uint64_t absolved = 0);
  void HandleHeartbeat(NodeId from, const Heartbeat& heartbeat);
  void HandleCommitNotice(NodeId from, const CommitNotice& notice);
  void LearnCommit(Index commit);
  void HandleSnapshot(NodeId from, SnapshotRequest& request);
  void HandleTimeoutNow(NodeId from);
  [[nodiscard]] uint32_t HintDelayTicks() const;
  void RetryHint();

  // ---- raft_candidate.cc ----------------------------------------------------------
  [[nodiscard]] bool MayCampaign() const;
  void Campaign(CampaignKind kind);
  void AskVoters(CampaignKind kind);
  void HandleVoteRequest(const Message& message, const VoteRequest& request);
  void HandleVoteResponse(NodeId from, const VoteResponse& response);
  [[nodiscard]] VoteResult CountElection() const;
  void FinishElection();

  // ---- raft_leader.cc -------------------------------------------------------------
  void BecomeLeader();
  void EndReign();
  void TickLeader();
  Position AppendOwn(EntryKind kind, Bytes payload);
  [[nodiscard]] bool QuorumHeard() const;
  void BroadcastHeartbeat();
  // Whether it takes what it is sent, and lacks no more than what is on its way.
  [[nodiscard]] bool KeepsUp(const Progress& progress) const;
  // Whether those who keep up and are none of `these` can commit.
  [[nodiscard]] bool QuorumWithout(bool (Progress::*these)() const) const;
  void MaybeCommit();
  void OnCommitted();
  [[nodiscard]] Progress* FindProgress(NodeId id);
  void HandleAppendResponse(NodeId from, const AppendResponse& response);
  void HandleAccepted(NodeId from, Progress& progress, Index match);
  void HandleRejected(Progress& progress, const AppendResponse& response);
  void HandleHeartbeatResponse(NodeId from, const HeartbeatResponse& response);
  [[nodiscard]] bool AppendDue(const Progress& progress) const;
  void SendDueAppend(NodeId to, Progress& progress);
  // Whether it holds what it does not know to be committed.
  [[nodiscard]] bool CommitNoticeDue(const Progress& progress) const;
  void SendDueCommitNotice(NodeId to, Progress& progress);
  void SendEmptyAppend(NodeId to, Progress& progress);
  void SendAppend(NodeId to, Progress& progress, Index last);
  void SendSnapshot(NodeId to, Progress& progress);
  void CheckLeaderInvariants() const;

  // ---- raft_reads.cc --------------------------------------------------------------
  void AskRead(NodeId from, uint64_t context);
  void AnswerConfirmedReads();
  // The newest round that a quorum has confirmed, or promised by; 0: none.
  [[nodiscard]] uint64_t RoundOfQuorum() const;
  [[nodiscard]] uint64_t RoundOfPromises() const;
  [[nodiscard]] uint64_t QuorumOfRounds(uint64_t (Progress::*round)() const) const;
  [[nodiscard]] MonoMicros LeaseTime() const;
  // Whether this node lets nobody be elected for now, itself included; and that it does from here
  // on. False: it cannot.
  [[nodiscard]] bool HasPromised() const { return now_us_ < promised_until_; }
  bool Promise(int64_t promise_us);
  void AnswerRead(const PendingRead& read, bool confirmed);
  void RefuseReads();
  void RefuseForwardedReads(const std::vector<uint64_t>& contexts);
  void BeginRound();
  void HandleReadIndexRequest(NodeId from, const ReadIndexRequest& request);
  void HandleReadIndexResponse(NodeId from, const ReadIndexResponse& response);

  // ---- raft_change.cc -------------------------------------------------------------
  void ChangeMembership(Index index, Membership membership);
  void FollowMembership();
  void MaybeLeaveJoint();
  void MaybeResign();
  [[nodiscard]] absl::Status CheckCaughtUp(const MembershipChange& change) const;
  [[nodiscard]] absl::Status CheckQuorumOf(const std::vector<NodeId>& voters) const;
  [[nodiscard]] NodeId BestHeir() const;
  void MaybeSendTimeoutNow();

  // ---- raft_sleep.cc --------------------------------------------------------------
  // Something was asked of the group, or may soon be: it is awake, and not quiet.
  void Stir();
  // Ticks count again. Does nothing while awake.
  void Wake();
  // As Wake, and tells the leader, so that heartbeats come again.
  void WakeWithLeader();
  [[nodiscard]] bool KeepsAsleep(const Message& message) const;
  void WakeFor(const Message& message);
  void WakeForLink(NodeId peer);
  // Whether this leader may tell the others to sleep.
  [[nodiscard]] bool MaySleep() const;
  void HearAsleep(NodeId from, bool asleep);
  void MaybeFallAsleep();
  // As a follower that is told to; `commit` came with it.
  [[nodiscard]] bool FallsAsleep(NodeId leader, Index commit) const;
  void TickAsleep();

  // ---- raft_standing.cc -----------------------------------------------------------
  // A member says whether it trusts its disk (0: it does). False: this is news, and what it
  // says otherwise rests on what it has lost.
  bool HearStanding(Progress& progress, uint64_t doubt);
  void MaybeCountAgain(Progress& progress, const AppendResponse& response);
  [[nodiscard]] bool MayAbsolve(NodeId id, const Progress& progress) const;
  [[nodiscard]] uint64_t RoundOfAllVoters() const;
  void MaybeAbsolve();
  void MaybeBecomeSound();
  void BecomeSound();

  // ---- raft_runs.cc ---------------------------------------------------------------
  void HandleRunOffer(NodeId from, const RunOffer& offer);

  // ---- raft_suspect.cc ------------------------------------------------------------
  void HandleContradiction(Progress& progress, Position at);
  void BecomeSuspect(Position at);
  // The last entry that counts when this node compares logs to give its vote.
  [[nodiscard]] Position LastForVotes() const;

  Config config_;
  Random* random_;
  HardState hard_state_;
  TermMap terms_;
  // Configurations by the index that they are in force from, oldest first; the first one
  // is that of the state before the first kept entry.
  std::vector<std::pair<Index, Membership>> memberships_;
  Standing standing_;
  uint64_t doubt_ = 0;  // Not kSound: what this process tells its leaders; else 0.
  std::optional<Position> suspect_;
  WriteQueue writes_;
  Ready ready_;  // Messages and read states since the last TakeReady.
  Role role_ = Role::kFollower;
  NodeId leader_;
  Index commit_;
  Index applied_;

  // What the driver was last told.
  Index told_commit_;
  Term told_term_;
  Role told_role_ = Role::kFollower;
  NodeId told_leader_;

  uint64_t now_tick_ = 0;  // Since construction.
  // Since the election timer was reset; at `timeout_ticks_` the node campaigns.
  uint32_t elapsed_ticks_ = 0;
  uint32_t timeout_ticks_ = 0;
  MonoMicros now_us_ = 0;
  // A promise of this process's, or of one before it (raft_reads.cc).
  MonoMicros promised_until_ = 0;
  bool may_have_promised_ = false;  // Before it started; until the first SetTime.
  // When a leader was last heard from; nullopt: never. For a leader: not used.
  std::optional<uint64_t> leader_heard_tick_;
  bool leader_gone_ = false;  // The pending campaign follows OnLeaderGone.
  std::set<NodeId> links_down_;
  std::set<NodeId> silent_;  // Nodes without a sign of life.
  bool asleep_ = false;
  uint32_t unheard_ticks_ = 0;  // Slow ones, of a follower that sleeps.
  Election election_;
  ForwardedReads forwarded_;
  // Not kSound: the log is known to agree with the leader of `term` through here.
  Index verified_;
  // Not kSound: once this is on disk the node is sound; 0: not absolved in this term.
  Index absolve_target_;

  // Leader only.
  std::map<NodeId, Progress> progress_;
  Index term_start_;  // This reign's no-op.
  uint32_t heartbeat_elapsed_ticks_ = 0;
  uint32_t quiet_ticks_ = 0;           // Since anything was asked of the group.
  std::set<NodeId> asleep_followers_;  // Since then, those who said so.
  NodeId transfer_to_;
  uint32_t transfer_elapsed_ticks_ = 0;
  ReadIndexQueue reads_;
  LeaderLease lease_;
  uint64_t absolve_round_ = 0;  // For the leader itself, while it is not sound.
  struct Uncommitted {
    Index index;
    uint64_t bytes;
  };
  std::deque<Uncommitted> uncommitted_;  // Of this reign, ascending.
  uint64_t uncommitted_bytes_ = 0;
};

}  // namespace cairn::consensus
