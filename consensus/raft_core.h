// RaftCore: the consensus rules of one group, and nothing else.
//
// State and input in, work out: no I/O, clock, thread, lock or randomness of its own.
// Time is Tick(); jitter comes from the generator given in. Payloads are never read
// (but kConfig) and never kept: terms of kept entries live in a TermMap, and an
// outgoing append names a range that the driver fills (message.h).
//
// Driver's duty: server/group calls any of the inputs below, then TakeReady(), and does
// what ready.h says. All inputs are cheap; none fails but by a returned enum.
//
// Sources: one per role. raft_core.cc (dispatch, term rules, writes), raft_follower.cc,
// raft_candidate.cc, raft_leader.cc.
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
#include <vector>

#include "base/random.h"
#include "consensus/membership.h"
#include "consensus/message.h"
#include "consensus/progress.h"
#include "consensus/read_index.h"
#include "consensus/ready.h"
#include "consensus/term_map.h"
#include "consensus/types.h"

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
  // Reads under a leader lease instead of a quorum round (thesis 6.4.1). Off by default;
  // while on, leader-gone hints are ignored.
  bool lease_reads = false;
  // A node with a lower priority waits longer before it campaigns: its timeout is
  // stretched by `priority_penalty_ticks`.
  uint32_t priority_penalty_ticks = 0;
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
  void OnAppendSent(NodeId to, Index last, uint64_t bytes);
  // The group has to read from disk first: nothing was sent, and nothing more is asked
  // for until OnAppendReady, which repeats the range.
  void OnAppendDeferred(NodeId to, Index prev);
  void OnAppendReady(NodeId to);
  // The transport could not deliver to `to` (full queue, broken link).
  void OnUnreachable(NodeId to);

  // This node's connection to the leader died and reconnecting is refused: its process
  // is gone. May begin a pre-vote before the timeout (design section 7).
  void OnLeaderGone();
  // A peer's link state, for judging others' leader_gone hints.
  void OnLinkDown(NodeId peer);
  void OnLinkUp(NodeId peer);

  // Hands leadership to `to` (0: the voter with the longest log). False: not the leader,
  // or `to` is no voter. Proposals are refused until it is done or an election timeout
  // has passed.
  bool TransferLeadership(NodeId to);
  // Gives up leadership at once (suspect state: design 5.6, 5.7).
  void StepDown();

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
  [[nodiscard]] Index persisted() const { return persisted_; }
  [[nodiscard]] Position last() const { return terms_.Last(); }
  [[nodiscard]] const TermMap& terms() const { return terms_; }
  [[nodiscard]] Standing standing() const { return standing_; }
  // In force now, and as of `index` (kept range).
  [[nodiscard]] const Membership& membership() const { return memberships_.back().second; }
  [[nodiscard]] const Membership& MembershipAt(Index index) const;
  // Leader whose own no-op is committed: conditions may be judged (design 5.1).
  [[nodiscard]] bool LeadsWithCommittedTerm() const;
  // Has heard from a leader, or as one from a quorum, within an election timeout.
  [[nodiscard]] bool HasQuorumContact() const;
  [[nodiscard]] bool transferring() const { return transfer_to_ != NodeId(); }
  // Leader only: what is known of each other member.
  [[nodiscard]] const std::map<NodeId, Progress>& progress() const { return progress_; }

  // CHECKs everything that must hold between steps; cheap enough for every simulated
  // step.
  void CheckInvariants() const;

 private:
  // The implementer completes this part.
  Config config_;
  Random* random_;
  HardState hard_state_;
  TermMap terms_;
  std::vector<std::pair<Index, Membership>> memberships_;
  Role role_ = Role::kFollower;
  NodeId leader_;
  Index commit_;
  Index applied_;
  Index persisted_;
  Standing standing_ = Standing::kSound;
  NodeId transfer_to_;
  std::map<NodeId, Progress> progress_;
};

}  // namespace cairn::consensus
