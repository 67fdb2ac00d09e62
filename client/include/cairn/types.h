// Plain values of the public API: records, positions, settings and statuses of a Cairn cluster.
//
// Conventions, everywhere in the client library:
// - A Seq is a record's place in its log: 1, 2, 3, …, without holes; 0 means none.
// - Times of records are *log time*: microseconds since the Unix epoch, assigned by the log's
//   leader, never decreasing within a log.
// - A chain is the checksum over all records of a log up to a seq; 0 means "not given".
// - A LogId is never reused: a log that is deleted and created anew has another one.
// - Durations are absl::Duration; other units stand in the name.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"

namespace cairn {

using LogId = GroupId;

// Mirrors cairn.v1.RecordKind.
enum class RecordKind : int {
  kData = 0,  // A client's payload.
  kLeaseAcquired = 1,
  kLeaseReleased = 2,
  kLeaseTransferred = 3,
  kLeaseExpired = 4,
  kCatalog = 5,  // Only in the catalog's own log.
};
// "data", "lease_acquired", …; "unknown" for a kind of a newer server.
std::string_view RecordKindName(RecordKind kind);

using RecordMetadata = std::map<std::string, std::string>;

// A record to append. At most 8 MiB of payload and 16 keys / 4 KiB of metadata by default.
struct NewRecord {
  std::string payload;
  RecordMetadata metadata;
};

// What a record of one of the lease kinds says.
struct LeaseEvent {
  std::string name;
  // Acquired and transferred: the new holder. Released and expired: the old one.
  std::string holder;
  uint64_t ttl_ms = 0;
  // Released, transferred, expired: the epoch that ended. The epoch that an acquired or
  // transferred record grants is the record's own seq.
  Epoch ended_epoch;
};

// A committed record.
struct Record {
  Seq seq;
  int64_t timestamp_us = 0;
  RecordKind kind = RecordKind::kData;
  std::string payload;
  RecordMetadata metadata;
  std::optional<LeaseEvent> lease;  // Only for the lease kinds.
};

// Consecutive records that share one timestamp; never empty when handed out.
struct RecordBatch {
  Seq first_seq;
  int64_t timestamp_us = 0;
  // Chain after the last record; 0 when the end of a bounded read cut the batch.
  uint64_t chain = 0;
  std::vector<Record> records;

  [[nodiscard]] Seq last_seq() const { return first_seq + (records.size() - 1); }
};

// Where an append landed. All of its records have consecutive seqs, both ends included.
struct AppendResult {
  Seq first_seq;
  Seq last_seq;
  int64_t timestamp_us = 0;
  uint64_t chain = 0;
  // The result of an earlier try of the same request: it was appended once, by that try.
  bool duplicate = false;
};

// A lease as its log knows it.
struct LeaseInfo {
  std::string name;
  std::string holder;  // Empty when nobody holds it.
  Epoch epoch;         // 0 when free.
  uint64_t ttl_ms = 0;
  // By the answering leader's clock; for people and backoff, never a basis for safety.
  uint64_t remaining_ms = 0;
};

// Whether a log's records are copied to the archive.
enum class ArchivePolicy { kInherit, kOn, kOff };

// Settings of a log. An unset field means "the default" when creating and "leave as is" when
// updating.
struct LogSettings {
  std::optional<bool> fenced;               // Data appends must name an epoch. At creation only.
  std::optional<uint64_t> retention_bytes;  // 0: no limit.
  std::optional<uint64_t> retention_ms;     // Milliseconds of log time. 0: no limit.
  std::optional<std::string> trim_guard;    // Snapshot name that trims need. Empty: none.
  std::optional<uint64_t> segment_bytes;    // 64 KiB … 1 GiB. 0: the default, 64 MiB.
  // Quotas: what comes faster is slowed down, and refused if it would wait long. 0: no limit.
  std::optional<uint64_t> append_bytes_per_second;  // Of requests; at least 1024.
  std::optional<uint64_t> appends_per_second;
  // kInherit: as the nodes' option --archive-logs says.
  std::optional<ArchivePolicy> archive;
};

struct SegmentInfo {
  Seq first_seq;
  Seq last_seq;  // 0 in a segment without records.
  uint64_t bytes = 0;
  bool sealed = false;
  int64_t timestamp_us = 0;   // Log time before the segment's first record.
  uint64_t chain_before = 0;  // Chain before the segment's first record.
  Index first_index;
  Index last_index;
};

struct ReplicaInfo {
  NodeId node_id;
  std::string node_name;
  std::string role;  // "leader", "follower", "candidate", "learner"; empty when unknown.
  Index match_index;
};

struct SnapshotInfo {
  std::string name;
  Seq seq;
  uint64_t chain = 0;
  std::string location;
  int64_t timestamp_us = 0;
};

// How far a log's copy in the archive is.
struct ArchiveInfo {
  bool on = false;           // The log's policy, the nodes' option included.
  Seq first_seq;             // No record from here on is missing; 0: the node has not looked.
  Seq archived_seq;          // 0: nothing is archived yet.
  uint64_t chain = 0;        // At archived_seq.
  std::string location;      // Empty when nothing was archived yet.
  int64_t timestamp_us = 0;  // Log time of the last progress.
  std::string trouble;       // What holds it up, as the log's leader knows; or empty.
};

struct LogDescription {
  std::string name;
  LogId log_id;
  LogSettings settings;
  Seq first_seq;  // last_seq + 1 when nothing is kept.
  Seq last_seq;
  uint64_t chain = 0;
  int64_t timestamp_us = 0;
  uint64_t bytes = 0;  // Kept, on one replica.
  std::string leader_address;
  NodeId leader_node_id;
  Term term;
  std::vector<ReplicaInfo> replicas;
  std::vector<LeaseInfo> leases;
  std::vector<SnapshotInfo> snapshots;
  std::vector<SegmentInfo> segments;  // Only when asked for.
  uint64_t producers = 0;
  bool stale = false;                  // The answering replica has no quorum.
  std::optional<ArchiveInfo> archive;  // Unset if it is not to be archived and never was.
};

struct LogSummary {
  std::string name;
  LogId log_id;
  LogSettings settings;
  std::vector<NodeId> replica_node_ids;
};

struct GroupStatus {
  LogId log_id;  // 0 is the catalog.
  std::string log;
  std::string role;
  Term term;
  NodeId leader_node_id;
  Index commit_index;
  Index applied_index;
  Index last_index;
  Seq last_seq;
  Seq first_seq;
  uint64_t chain = 0;
  uint64_t lag_entries = 0;  // Leader only: entries that the slowest voter lacks.
  std::vector<NodeId> voter_node_ids;
  // A majority refused what this node proposed as the leader: it leads again after a restart.
  bool suspect = false;
  // "sound", or, until a leader has made the replica whole, "ambiguous" or "lost".
  std::string standing;
};

struct NodeStatus {
  std::string endpoint;  // "host:port" that answered.
  NodeId node_id;
  std::string node_name;
  std::string cluster_id;
  std::string version;
  std::string state;   // "forming", "ready", "storage_full", "draining".
  std::string detail;  // What a forming node waits for.
  std::vector<GroupStatus> groups;
  uint64_t uptime_ms = 0;
  uint64_t disk_free_bytes = 0;
  int64_t time_us = 0;           // The node's wall clock when it answered, since 1970; 0: not told.
  std::string archive_location;  // Where it archives logs; empty: nowhere.
};

// What the cluster wants of a member (proto/cairn/v1/cluster.proto).
enum class MemberState {
  kActive,    // It gets replicas, and may vote in the catalog.
  kLearner,   // It follows the catalog only.
  kDraining,  // Its replicas are moved to others; it stays a member.
  kLeaving,   // Its replicas are moved to others, then it is removed for good.
};

struct MemberInfo {
  NodeId node_id;
  std::string name;
  std::string address;  // "host:port" for clients and peers.
  std::string zone;
  uint64_t incarnation = 0;  // Of its data directory; 0: it was added and has not joined yet.
  MemberState state = MemberState::kActive;
  uint64_t replicas = 0;  // Logs of which it has a replica, or is about to.
};

struct Members {
  std::string cluster_id;
  std::vector<MemberInfo> members;
  std::vector<std::string> moving_logs;  // Being moved between members; at most 100.
  uint64_t moving = 0;                   // How many they are.
};

// A node for which room is made in a cluster: as it will be started.
struct NewMember {
  std::string name;     // --name
  std::string address;  // --advertise, "host:port"
  std::string zone;     // --zone; may be empty.
  bool learner = false;
};

struct StopAdvice {
  bool can_stop = false;
  std::vector<std::string> logs;  // Would lose their quorum; at most 100.
};

}  // namespace cairn
