// Messages between the Raft cores of one group, as plain structs.
//
// A message is addressed by (from, to) and carries the sender's term. The transport
// may lose, delay, duplicate and reorder messages.
//
// The core never holds payloads of entries it did not just receive: an outgoing
// Append names a range (prev.index, last], and the group fills `entries` in from
// the tail ring or the store before it is sent.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "consensus/membership.h"
#include "consensus/types.h"

namespace cairn::consensus {

// Asks for a vote, or (pre-vote, thesis 9.6) whether one would be given.
struct VoteRequest {
  bool pre_vote = false;
  Position last{};           // The candidate's last entry.
  bool transfer = false;     // Told to campaign by the leader: stickiness is waived (3.10).
  bool leader_gone = false;  // The candidate's link to the leader died and is refused.
  // Drawn anew for each campaign and echoed by its answers. A candidate that crashed and
  // forgot that it had stood in this term must not be elected by answers to its first try.
  uint64_t ballot = 0;
  bool operator==(const VoteRequest&) const = default;
};

struct VoteResponse {
  bool pre_vote = false;
  bool granted = false;
  // The voter does not trust its own disk: its answer counts only when every voter has
  // answered and none refused (raft_candidate.cc). With `granted`: the voter's standing is
  // kAmbiguous. Without: it is kLost, and would have granted; that is an answer, no vote.
  bool conditional = false;
  Position last{};      // The voter's last entry.
  uint64_t ballot = 0;  // The request's.
  bool operator==(const VoteResponse&) const = default;
};

// Replicates the entries (prev.index, last]; an empty range is a probe.
struct AppendRequest {
  Position prev{};
  Index last{};
  Index commit{};  // The leader's commit index.
  // Not 0: all voters have confirmed this leader since it learnt of the receiver's doubt of
  // that number. Once the receiver holds everything through `last` on disk it is kSound
  // (raft_standing.cc).
  uint64_t absolves = 0;
  std::vector<Entry> entries;  // Empty as the core emits it; filled by the group.
  // Never sent: the receiving group found that the entry here does not follow from what this
  // replica holds (design 5.6), and took it and all behind it out of `entries`. Index 0: none.
  Position refused{};
  bool operator==(const AppendRequest&) const = default;
};

struct AppendResponse {
  bool accepted = false;
  // Accepted: the follower holds on disk, and agrees with the leader on, all up to here.
  Index match{};
  // Rejected: `prev.index` of the request, and where to look next: the last position
  // at or before it whose term is not above prev.term (fast backtracking).
  Index rejected_prev{};
  Position hint{};
  // Not 0: the sender is not kSound. The leader replicates to it but must not count it
  // towards a commit. Drawn anew at each start, so that doubts can be told apart.
  uint64_t doubt = 0;
  uint64_t absolved = 0;  // Accepted: `absolves` of the request.
  // Rejected, though the logs agree up to the entry before `hint`: the entry at `hint` does not
  // follow from what the sender holds.
  bool contradicts = false;
  // The sender knows of runs and takes them; filled in by the group.
  bool takes_runs = false;
  // The sender's disk is below its watermark, and below half of it; filled in by the group.
  bool full = false;
  bool no_room = false;
  bool operator==(const AppendResponse&) const = default;
};

// Keeps followers from campaigning; many groups' heartbeats share one packet.
// `context` is the newest read-index round; 0: none.
struct Heartbeat {
  Index commit{};  // Never above what the leader knows the follower to hold.
  uint64_t context = 0;
  // Nothing is under way and all hold the same: no more heartbeats but at the driver's slow pace
  // (raft_sleep.cc).
  bool sleep = false;
  // Not 0: the leader asks the receiver to promise that it lets nobody be elected for that long
  // after it has heard this, in microseconds by its own clock (raft_reads.cc).
  int64_t promise_us = 0;
  bool operator==(const Heartbeat&) const = default;
};

struct HeartbeatResponse {
  uint64_t context = 0;
  uint64_t doubt = 0;  // As in AppendResponse: it proves nothing to readers.
  // What the sender's wall clock shows, in microseconds; 0: not said. The core has no clock:
  // the group fills it in as the message leaves, and looks at it when it arrives (design 5.7).
  int64_t wall_us = 0;
  // The sender sleeps, as it was told to: it does not miss heartbeats.
  bool asleep = false;
  // The sender fetches a run, or writes it; filled in by the group.
  bool fetching = false;
  // It promises what the heartbeat asked for.
  bool promised = false;
  // As in AppendResponse.
  bool full = false;
  bool no_room = false;
  bool operator==(const HeartbeatResponse&) const = default;
};

// What was acknowledged is committed now, and no append is due that would say so. Nobody
// answers it: a lost one is made up for by the next append or heartbeat.
struct CommitNotice {
  Index commit{};  // Never above what the leader knows the follower to hold.
  bool operator==(const CommitNotice&) const = default;
};

// The state before the first entry that the leader still has; see design 5.5.
struct SnapshotRequest {
  Position position{};  // Last entry that the snapshot includes.
  // In force as of `position`. On the wire it is part of the snapshot's bytes; the receiving
  // group fills it in again before Step. A request without voters is dropped.
  Membership membership;
  Bytes snapshot;  // Empty as the core emits it; filled by the group.
  bool operator==(const SnapshotRequest&) const = default;
};
// A follower answers with an AppendResponse once the snapshot is on its disk.

// In place of an append, to a follower far behind that takes runs: the entries (prev, through] are
// committed and may be fetched in bulk (raft_runs.cc). Answered as an append, once they are on
// disk.
struct RunOffer {
  Position prev{};
  Position through{};
  // The group's: its state as of `through`, and what of the run the sender's allowance is not
  // charged for, in bytes.
  Bytes snapshot;
  uint64_t free_bytes = 0;
  // Also the group's: whether the run ends within a segment, and where the next offer will end, so
  // that it can be fetched ahead; index 0: not known.
  bool open = false;
  Position ahead{};
  bool operator==(const RunOffer&) const = default;
};

// Tells the follower to campaign at once (thesis 3.10).
struct TimeoutNow {
  bool operator==(const TimeoutNow&) const = default;
};

// A follower asks the leader for a read index on behalf of local readers.
struct ReadIndexRequest {
  uint64_t context = 0;
  bool operator==(const ReadIndexRequest&) const = default;
};
struct ReadIndexResponse {
  uint64_t context = 0;
  bool confirmed = false;  // False: not the leader, or not able; ask again.
  Index index{};
  bool operator==(const ReadIndexResponse&) const = default;
};

using Body = std::variant<VoteRequest, VoteResponse, AppendRequest, AppendResponse, Heartbeat,
                          HeartbeatResponse, SnapshotRequest, TimeoutNow, ReadIndexRequest,
                          ReadIndexResponse, CommitNotice, RunOffer>;

struct Message {
  NodeId from;
  NodeId to;
  Term term;
  Body body;

  bool operator==(const Message&) const = default;
};

// One line for goldens and logs, e.g. "1->2 append term=3 prev=2/7 last=9 commit=6".
// Positions are written term/index.
std::string ToString(const Message& message);
std::string ToString(Position position);

}  // namespace cairn::consensus
