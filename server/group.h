// Group: one log's replica on this node. Wires the Raft core, the log state machine, the
// waiters and the tail hub together: event in, effects out; no rule of its own.
//
// A turn: any number of Handle() calls, then one Finish(), which evaluates the gathered
// requests into at most one new entry, takes the core's Ready, and puts all work into the
// worker's Effects. (architecture sections 5, 6)
//
// Group commit: while a write of this leader is in flight, requests gather; when it is done
// they become one entry. Requests wait in arrival order; their number and bytes are bounded
// (OVERLOADED beyond).
//
// A log that contradicts itself (a committed entry that does not apply) is halted on this
// node: it votes for nobody, accepts nothing more, and stays readable below that point.
//
// A replica that refuses what a majority holds is refilled (server/group_refill.cc): it ends what
// waits, and when its last write and read are done begins anew with an empty log.
//
// Threads: one worker's. Lifetime: `budget` and `random` outlive the group.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "consensus/raft_core.h"
#include "server/catalog.h"
#include "server/group_events.h"
#include "server/log_state.h"
#include "server/tail_hub.h"
#include "server/waiters.h"

namespace cairn::server {

struct GroupConfig {
  consensus::Config raft;
  LogLimits limits;
  // Real time of one tick; and of one while the group hibernates, the same on all nodes.
  int64_t tick_us = 50 * kMicrosPerMilli;
  int64_t slow_tick_us = 10 * kMicrosPerSecond;
  // Requests that may wait for the next entry, and their payload bytes.
  size_t max_waiting_requests = 16384;
  uint64_t max_waiting_bytes = 64 << 20;
  // Replies that may wait for a commit.
  size_t max_waiters = 65536;
  // Segments are sealed at this size unless the log's settings say otherwise.
  uint64_t segment_bytes = 64 << 20;
  // Bytes of one append message to a peer.
  uint64_t append_message_bytes = 4 << 20;
  // The same of a replica that is filled and that nobody waits for, a piece at a time as the node
  // allows (server/peer_feed.h); 0: it is not held back.
  uint64_t fill_message_bytes = 256 << 10;
  // Replicas far behind are offered runs of at least that many bytes to fetch in bulk, and this one
  // takes them (server/group_runs.cc); 0: neither.
  uint64_t run_bytes = 0;
};

// What the node knows about a group when it creates the object.
struct GroupStart {
  GroupId group;
  std::string name;  // For messages and errors; "catalog" for group 0.
  cairn::v1::LogSettings settings;
  // Of a log that is imported: where it begins.
  std::optional<cairn::v1::LogBase> base;
  // Voters that the log began with, of a group that has no stored state yet: its configuration
  // until entries say otherwise. Empty: not known here; others will make this replica a learner.
  std::vector<NodeId> initial_voters;
  // The placement that brought the replica here (CatalogLog::placement); 0: the log began here.
  uint64_t placement = 0;
  // What the store holds; nullopt: nothing, the group is new here. Filled in by LoadGroup
  // (server/group_load.h).
  std::optional<storage::StoredGroup> stored;
  // The entries after the newest segment row, through the last one: what has to be applied
  // again, and the start of the tail ring.
  std::vector<storage::StoredEntry> recent;
  // Payload bytes of each stored segment but the last, oldest first.
  std::vector<uint64_t> segment_bytes;
  storage::RecoveryVerdict verdict = storage::RecoveryVerdict::kSound;
  // Entries of this group were found damaged and cut off, or the node gave the log away and gets it
  // back: it is lost whatever `verdict` says, and remembers that until it is whole.
  bool damaged = false;
};

// How far one follower is behind, as its leader knows it.
struct PeerLag {
  NodeId peer;
  uint64_t entries = 0;
  // Payloads of those entries; at least that much, when some are no longer in memory.
  uint64_t bytes = 0;
  // Since the oldest record that it lacks was appended; at least that long, likewise.
  int64_t us = 0;
};

// A picture for status pages; cheap to copy.
struct GroupView {
  GroupId group;
  std::string name;
  consensus::Role role = consensus::Role::kFollower;
  bool halted = false;
  // Not kSound: the node does not trust what its disk kept of the group (design section 8).
  consensus::Standing standing = consensus::Standing::kSound;
  Term term;
  NodeId leader;
  Index commit;
  Index applied;
  Index last;
  Seq first_seq;
  Seq last_seq;
  uint64_t chain = 0;
  uint64_t lag_entries = 0;
  // Leader: all others that hold the log, as of the last tick.
  std::vector<PeerLag> lags;
  // Leader: leases that somebody holds.
  uint64_t leases_held = 0;
  // The slowest open tail here, in records that are committed and that it was not handed.
  uint64_t tail_lag_records = 0;
  // A majority refused what it proposed as the leader: it does not lead before a restart.
  bool suspect = false;
  // The replica was emptied, and is filled by the leader (since the process started).
  uint64_t refills = 0;
  // Leader: how far its wall clock is from the majority's; positive: ahead.
  int64_t clock_deviation_us = 0;
  // The newest membership that is held here, and whether it is committed.
  std::vector<NodeId> voters;
  std::vector<NodeId> learners;
  bool joint = false;
  uint64_t membership_version = 0;
  bool membership_committed = false;
  bool stale = false;
  // It follows or is a leader whose term has a committed entry here: what was committed in
  // earlier terms is applied.
  bool confirmed = false;
  bool hibernating = false;
  // The log is to be archived. How far it is (0: not at all), and the chain there.
  bool archived = false;
  Seq archived_seq;
  uint64_t archived_chain = 0;
  // Payload bytes of the entries that were applied since the replica was opened.
  uint64_t applied_bytes = 0;
};

class Group {
 public:
  // `catalog` is non-null for group 0 only; it is applied to and outlives the group.
  // Errors: kDataLoss when the stored state does not decode.
  static absl::StatusOr<std::unique_ptr<Group>> Create(GroupConfig config, GroupStart start,
                                                       CacheBudget* budget, Random* random,
                                                       Catalog* catalog, TurnTime now);
  ~Group();

  // Takes one event. `room`: what is free on this node's disk.
  void Handle(Event event, TurnTime now, storage::Room room, Effects& effects);
  // Ends the turn. With `gather`, requests stay where they are, to be judged when a later turn
  // ends without it. Returns whether any did.
  bool Finish(TurnTime now, bool gather, Effects& effects);

  // What the turn proposed went to the disk and to the peers at `when`.
  void OnHandedOut(MonoMicros when);

  // Answers everything that waits with `why` and ends all tails: the group is being removed
  // or the node stops.
  void Shutdown(const Rejection& why, Effects& effects);

  // The catalog changed this log's settings or name.
  void SetSettings(const cairn::v1::LogSettings& settings);

  [[nodiscard]] GroupId id() const;
  [[nodiscard]] GroupView View() const;
  // When a Tick is next needed without other events; 0: at every tick. Between turns.
  [[nodiscard]] MonoMicros NextTick() const;
  [[nodiscard]] const consensus::RaftCore& core() const;
  [[nodiscard]] const LogState& state() const;
  // For the simulator: everything that must hold between turns.
  void CheckInvariants() const;

 private:
  struct Impl;
  explicit Group(std::unique_ptr<Impl> impl);
  // Begins anew with an empty log, once nothing of before is under way.
  void FinishRefill(TurnTime now, Effects& effects);

  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn::server
