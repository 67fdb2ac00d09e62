// What a group takes and what it gives: the alphabet of the worker box.
//
// A group is a function of these events; it has no clock, lock, disk or socket. The
// runtime (server/runtime) and the simulator (tests/sim) carry the effects out.
//
// Lifetime: sinks are ports that outlive every request posted with them. Each posted
// Request gets exactly one Reply, also when the node stops or the group is deleted; each
// opened tail gets exactly one TailEnd.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/ids.h"
#include "cairn/v1/cluster.pb.h"
#include "cairn/v1/error.pb.h"
#include "cairn/v1/log.pb.h"
#include "cairn/v1/store.pb.h"
#include "consensus/message.h"
#include "server/append_times.h"
#include "server/entry_ring.h"
#include "server/turn_tally.h"
#include "storage/log_store.h"
#include "storage/read_request.h"

namespace cairn::server {

// ---- Requests -------------------------------------------------------------------
// In all of them `log_id` was checked by the router to be the group's own.

struct AppendOp {
  // The records region of storage/entry_codec.h, checked: `count` records, none empty of
  // tag or length, all of kind 0.
  std::string records;
  uint32_t count = 0;
  std::optional<Seq> if_last_seq;
  std::optional<Epoch> if_lease_epoch;
  std::string lease_name;    // "primary" when the request left it empty.
  uint64_t producer_id = 0;  // 0: none.
  uint64_t producer_sequence = 0;
};

struct RegisterProducerOp {};

struct AcquireOp {
  std::string name;
  std::string holder;
  uint64_t ttl_ms = 0;
  std::optional<Seq> if_last_seq;
};
struct RenewOp {
  std::string name;
  Epoch epoch;
};
struct ReleaseOp {
  std::string name;
  Epoch epoch;
};
struct TransferLeaseOp {
  std::string name;
  Epoch epoch;
  std::string to;
  uint64_t ttl_ms = 0;  // 0: keep.
  std::optional<Seq> if_last_seq;
};
struct GetLeaseOp {
  std::string name;
};

// Records of a log that is made again from a backup (backup.proto). Judged batch by batch, each an
// entry of its own log time: what follows is proposed in later turns.
struct ImportOp {
  struct Batch {
    std::string records;  // As in AppendOp, but of any kind.
    uint32_t count = 0;
    int64_t timestamp_us = 0;
  };
  Seq if_last_seq;
  std::vector<Batch> batches;
  size_t next = 0;  // The group's: batches before it are in entries.
};
struct FinishImportOp {
  Seq last_seq;
  uint64_t chain = 0;
};
struct GetChainOp {
  std::optional<Seq> seq;  // nullopt: last_seq.
};

struct TrimOp {
  Seq first_seq;  // Oldest to keep.
  bool force = false;
};
struct RegisterSnapshotOp {
  std::string name;
  Seq seq;
  uint64_t chain = 0;
  std::string location;
};
// Proposed by the node when the catalog's settings of this log changed.
struct SettingsOp {
  cairn::v1::LogSettings settings;
};

struct DescribeOp {
  bool linearizable = false;
  bool with_segments = false;
};

// Waits until this replica has applied everything that was committed when it was asked.
// (What a linearizable Read or the catalog's readers do first.)
struct SyncOp {};

// Group 0 only: a command that the catalog judges (server/catalog.h).
struct CatalogOp {
  cairn::v1::CatalogCommand command;
  // LogCreated: an existing log of the same settings is a success.
  bool if_not_exists = false;
  // LogPlaced: whose replica goes, for the one node that is wanted; 0: what is wanted is the whole.
  NodeId instead_of;
};

// Hands the group's Raft leadership to `to` (0: the best follower).
struct TransferLeadershipOp {
  NodeId to;
};

// Changes who votes and who only listens (consensus/membership.h). Answered with Done when the
// change has begun for good: its first configuration is committed, and the group leaves the
// joint one by itself. Refused with NOT_CAUGHT_UP while another change is under way, or a
// learner that shall vote lags; with INVALID for sets that cannot be.
struct ChangeMembersOp {
  std::vector<NodeId> voters;
  std::vector<NodeId> learners;
  uint64_t version = 0;  // Membership::version.
};

using RequestBody =
    std::variant<AppendOp, RegisterProducerOp, AcquireOp, RenewOp, ReleaseOp, TransferLeaseOp,
                 GetLeaseOp, TrimOp, RegisterSnapshotOp, SettingsOp, DescribeOp, SyncOp, CatalogOp,
                 TransferLeadershipOp, ChangeMembersOp, ImportOp, FinishImportOp, GetChainOp>;

// ---- Replies --------------------------------------------------------------------

// Certainly not done (or, with REASON_OUTCOME_UNKNOWN, unknown).
struct Rejection {
  cairn::v1::ErrorInfo info;
  std::string message;
  // How far a measured append came that ran into its deadline.
  AppendTimes times{};
};

struct AppendDone {
  Seq first_seq;
  Seq last_seq;
  int64_t timestamp_us = 0;
  uint64_t chain = 0;
  bool duplicate = false;
  AppendTimes times{};
};
struct RegisterProducerDone {
  uint64_t producer_id = 0;
  uint64_t expires_after_ms = 0;
};
// Acquire and Transfer.
struct LeaseGranted {
  Epoch epoch;
  Seq last_seq;
  uint64_t chain = 0;
};
struct LeaseRenewed {
  uint64_t ttl_ms = 0;
};
struct LeaseReleased {
  Seq last_seq;
};
struct LeaseView {
  cairn::v1::LeaseState lease;
  Seq last_seq;
};
struct ChainView {
  Seq seq;
  uint64_t chain = 0;
  bool importing = false;
};
struct TrimDone {
  Seq first_seq;
};
struct Done {};
struct Described {
  // Everything a group knows; the service fills in names and addresses.
  cairn::v1::DescribeLogResponse response;
};
struct CatalogDone {
  GroupId log_id;
  bool created = false;
  cairn::v1::LogSettings settings;
  NodeId node_id;                // The member that a command about members named or numbered.
  std::vector<NodeId> replicas;  // Where a command about placement wants the log.
};

using Reply =
    std::variant<Rejection, AppendDone, RegisterProducerDone, LeaseGranted, LeaseRenewed,
                 LeaseReleased, LeaseView, TrimDone, Done, Described, CatalogDone, ChainView>;

// Where a reply goes. OnReply is called on a worker thread (or by the simulator) and must
// not block.
class ReplySink {
 public:
  virtual ~ReplySink() = default;
  virtual void OnReply(uint64_t token, Reply reply) = 0;
};

struct ReplyTo {
  ReplySink* sink = nullptr;
  uint64_t token = 0;
  // Null outside of append streams. Shared by the requests of one stream: set when one of them is
  // refused, for whatever reason and however late, so that the later ones, which may be in the
  // group's mailbox already, are refused too: a stream never leaves a hole. Read and written by the
  // group's thread only; the sink, which owns it, outlives every request.
  bool* stream_broken = nullptr;
};

// ---- Tails and reads ------------------------------------------------------------

struct TailStart {
  enum class Kind : uint8_t { kSeq, kFirst, kNext, kTimestamp };
  Kind kind = Kind::kFirst;
  Seq seq;
  int64_t timestamp_us = 0;
};

// A run of committed records of one entry, as the wire wants it.
struct TailBatch {
  Seq first_seq;
  uint32_t count = 0;
  int64_t timestamp_us = 0;
  uint64_t chain = 0;  // After the last one; 0: cut inside the entry.
  // `records` is a view into `owner`: a records region (storage/entry_codec.h).
  Bytes owner;
  std::string_view records;
};

struct TailChunk {
  std::vector<TailBatch> batches;
  std::vector<cairn::v1::LeaseRenewedMark> renewed;
  std::optional<cairn::v1::CaughtUpMark> caught_up;
  // Committed last seq known here; set in heartbeats.
  std::optional<Seq> heartbeat;
  bool stale = false;

  [[nodiscard]] uint64_t bytes() const {
    uint64_t sum = 64;
    for (const TailBatch& batch : batches) sum += batch.records.size() + 32;
    return sum;
  }
};

// Set when the tail ended by itself: a bounded read reached its end (no rejection), or an
// error.
struct TailEnd {
  std::optional<Rejection> rejection;
};

// Called on a worker thread; must not block. A sink gives bytes back with TailCredit once
// it has passed them on; a tail never has more than its credit outstanding.
class TailSink {
 public:
  virtual ~TailSink() = default;
  virtual void OnChunk(uint64_t token, TailChunk chunk) = 0;
  // The last call for this token.
  virtual void OnEnd(uint64_t token, TailEnd end) = 0;
};

// Opens a tail, or a bounded read when `end_seq` or `max_records` is set or `to_commit`.
struct TailOpen {
  TailSink* sink = nullptr;
  uint64_t token = 0;
  TailStart start;
  bool bounded = false;
  Seq end_seq;               // Bounded: inclusive; 0: what is committed when it opens.
  uint64_t max_records = 0;  // Bounded: 0: no limit.
  uint64_t credit_bytes = 1 << 20;
  uint64_t heartbeat_us = kMicrosPerSecond;
};

// ---- Events ---------------------------------------------------------------------

struct Request {
  ReplyTo reply_to;
  RequestBody body;
  // On this node's monotonic clock: past it the caller no longer waits.
  MonoMicros deadline = 0;
  // When it was posted, on the same clock; 0: its stages are not measured.
  MonoMicros arrived = 0;
  // When the group took it: the group's own note.
  MonoMicros taken = 0;
};
struct PeerMessage {
  consensus::Message message;
};
struct Persisted {
  uint64_t write_id = 0;  // consensus::WriteId; 0 when the write was not the core's.
  MonoMicros at = 0;      // When it was on the disk, on the node's monotonic clock.
};
struct Loaded {
  storage::ReadResult result;
};
// What came of a RunRequest.
struct Fetched {
  uint64_t ticket = 0;
  // kDataLoss: what was sent does not follow from what is held. Else, with an error: no run came.
  absl::Status status;
  std::shared_ptr<storage::EntryRun> run;
  // As the core is to see them: without payloads, but for memberships.
  std::vector<consensus::Entry> entries;
  LogPosition after;
  uint64_t bytes = 0;  // Of all payloads.
};
struct Tick {};
struct TailCredit {
  TailSink* sink = nullptr;
  uint64_t token = 0;
  uint64_t bytes = 0;
};
struct TailClose {
  TailSink* sink = nullptr;
  uint64_t token = 0;
};
// The link *to* a peer: up; down; or gone (down and reconnecting is refused: no process
// listens there). And the peer's node as such: silent, without a sign of life for an election
// timeout although the link may be up; or heard again (server/node_pulse.h).
struct LinkChange {
  enum class State : uint8_t { kUp, kDown, kGone, kSilent, kHeard };
  NodeId peer;
  State state = State::kUp;
};
// SIGTERM: hand leadership over, refuse new work.
struct Drain {};

using Event = std::variant<Request, PeerMessage, Persisted, Loaded, Fetched, Tick, TailOpen,
                           TailCredit, TailClose, LinkChange, Drain>;

struct GroupEvent {
  GroupId group;
  Event event;
};

// Time as of the beginning of a worker's turn; the only clock a group sees.
struct TurnTime {
  MonoMicros mono = 0;
  WallMicros wall = 0;
};

// ---- Effects --------------------------------------------------------------------

struct OutMessage {
  GroupId group;
  consensus::Message message;
};

// A run to fetch from a leader, checked (server/run_check.h); the answer is one Fetched. A group
// has one at a time.
struct RunRequest {
  GroupId group;
  uint64_t ticket = 0;
  NodeId from;
  consensus::Position prev;     // The last entry held here,
  LogPosition position;         // and the log after it.
  consensus::Position through;  // The last entry of the run.
  // What the sender need not take of its allowance for filling.
  uint64_t free_bytes = 0;
  // Where the run behind this one will end, so that it can be fetched before it is asked for; index
  // 0: not known.
  consensus::Position ahead;
};

// A change of the catalog that this node has to act on, in log order.
struct CatalogChange {
  enum class Kind : uint8_t {
    kFormed,
    kCreated,
    kUpdated,
    kDeleted,
    kMember,  // One was added, changed or removed.
    kPolicy,
    kPlaced,   // The log shall have other replicas, and has both meanwhile: `replicas`.
    kSettled,  // It has them: `replicas`.
    // Not a record: a leader has told this node where the catalog stands, and it has come there.
    kConfirmed,
  };
  Kind kind = Kind::kFormed;
  Seq seq;  // Of the record that made it.
  GroupId log_id;
  std::string name;
  cairn::v1::LogSettings settings;
  std::vector<NodeId> replicas;
};

// What one turn of a worker gathered from its groups. The worker carries it out in the
// order of the fields: what may leave at once leaves first.
struct Effects {
  std::vector<OutMessage> messages;
  // Parallel lists: writes[i] belongs to write_ids[i] (0: no notice wanted).
  std::vector<storage::GroupWrite> writes;
  std::vector<uint64_t> write_ids;
  std::vector<storage::ReadRequest> reads;
  std::vector<RunRequest> fetches;
  // Before the replies: who is told that a log was created can use it on this node at once.
  std::vector<CatalogChange> catalog;
  // Every answer on its way: hence a refusal breaks the stream that it is of here.
  struct OutReply {
    OutReply(const ReplyTo& reply_to, Reply answer) : to(reply_to), reply(std::move(answer)) {
      if (to.stream_broken != nullptr && std::holds_alternative<Rejection>(reply)) {
        *to.stream_broken = true;
      }
    }
    ReplyTo to;
    Reply reply;
  };
  std::vector<OutReply> replies;
  struct OutChunk {
    TailSink* sink;
    uint64_t token;
    TailChunk chunk;
  };
  std::vector<OutChunk> chunks;
  struct OutEnd {
    TailSink* sink;
    uint64_t token;
    TailEnd end;
  };
  std::vector<OutEnd> ends;  // After all chunks.
  // Lines for the operator's log, already worded.
  std::vector<std::string> alarms;
  // Gathers over many turns.
  TurnTally tally;
};

}  // namespace cairn::server
