// LogStore: the durable home of every group on one node.
//
// All groups share one store, so that appends to many logs cost one write and one sync
// (storage/commit_queue.h). Plain structs only: the store knows nothing of consensus.
//
// What is stored for a group:
//   entries     by index, dense from just after `before` to the last;
//   seq rows    (first seq of an entry that has records) -> index, timestamp;
//   hard state  term, vote, commit hint;
//   term rows   first index of each term, so that opening does not scan entries;
//   segments    contiguous runs of entries, each with the group's state from before its
//               first entry (opaque bytes): the unit of sealing, trim and snapshots.
//
// Threads: Write() belongs to the storage thread. Everything const may run on any
//   thread, also while Write() runs, and sees whole batches only.
// Durability: OK from Write() means that the batch survives a power cut. After an error
//   the disk's state is unknown: stop the process, do not retry (CHECK on it is right).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/ids.h"

namespace cairn::storage {

struct StoredEntry {
  Index index;
  Term term;
  uint8_t kind = 0;  // consensus::EntryKind, opaque here.
  Bytes payload;
  // For the seq row: seq of the entry's first record, how many it has (0: no row), and
  // their log time.
  Seq first_seq;
  uint32_t record_count = 0;
  int64_t timestamp_us = 0;
};

// An entry whose payload somebody else holds.
struct EntryRef {
  Index index;
  Term term;
  uint8_t kind = 0;
  std::string_view payload;
  Seq first_seq;
  uint32_t record_count = 0;
  int64_t timestamp_us = 0;
};
inline EntryRef RefTo(const StoredEntry& entry) {
  return {entry.index,     entry.term,         entry.kind,        entry.payload.view(),
          entry.first_seq, entry.record_count, entry.timestamp_us};
}

struct StoredHardState {
  Term term;
  NodeId vote;
  Index commit;
  bool operator==(const StoredHardState&) const = default;
};

// A segment begins with the entry after (before_index, before_term) and ends where the
// next one begins, or is open.
struct SegmentRow {
  Index before_index;
  Term before_term;
  // First seq that a record in this segment has or will have.
  Seq first_seq;
  // Log time and chain before the segment's first entry.
  int64_t timestamp_us = 0;
  uint64_t chain_before = 0;
  // Serialized cairn.v1.GroupSnapshot as of before_index; opaque here.
  std::string state;
  bool operator==(const SegmentRow&) const = default;
};

// Entries that continue a group's log and came in bulk: on the disk, but no part of the log before
// a GroupWrite takes them. Whoever drops it otherwise leaves nothing behind.
class EntryRun {
 public:
  virtual ~EntryRun() = default;
};

// Writes a run, beside the log.
class RunBuilder {
 public:
  virtual ~RunBuilder() = default;
  // Requires: it follows the one before. Errors: kResourceExhausted: the disk is nearly full;
  // others: the file system's. After an error the builder is of no use.
  virtual absl::Status Add(const EntryRef& entry) = 0;
  // Durable before it returns. Requires: an entry.
  virtual absl::StatusOr<std::shared_ptr<EntryRun>> Finish() = 0;
};

// One group's part of a batch. Applied in this order: remove, install, hard_state, run,
// entries, segments, trim.
struct GroupWrite {
  GroupId group;
  // Moves the group's data to the trash (kept 24 h, then really deleted).
  bool remove = false;
  // Drops all entries, seq rows and segments; the log now begins with this row.
  std::optional<SegmentRow> install;
  std::optional<StoredHardState> hard_state;
  // Continues the log as it was when the run was begun.
  std::shared_ptr<EntryRun> run;
  // Consecutive; the first one replaces everything stored from its index on. Requires:
  // it continues the log or replaces a suffix.
  std::vector<StoredEntry> entries;
  // New segments that begin after an entry that is stored (or is in this batch).
  std::vector<SegmentRow> segments;
  // Drops all segments before the one that begins after this index (which must be one).
  std::optional<Index> trim_to;
};

// What one turn of the workers wants durable: whole or not at all.
struct StoreBatch {
  std::vector<GroupWrite> groups;
};

// A group as it is found when the process starts.
struct StoredGroup {
  GroupId group;
  StoredHardState hard_state;
  Index before_index;  // Position before the first kept entry.
  Term before_term;
  Index last_index;  // Equal to before_index when no entry is kept.
  struct TermRow {
    Index first;
    Term term;
  };
  std::vector<TermRow> terms;        // Ascending.
  std::vector<SegmentRow> segments;  // Ascending; never empty once the group was installed.
  // Not empty: entries behind last_index were acknowledged and could not be read when the
  // database was rebuilt; says which. Stands until a segment row or an install is written, by
  // which the group notes the doubt itself.
  std::string damage;
};

// How the directory came back (design section 8, "Recovery").
enum class RecoveryVerdict : uint8_t {
  kSound,      // Everything acknowledged is there.
  kAmbiguous,  // A damaged last turn, at or past the side mark, after a power cut.
  kLost,       // Damage before the mark, or acknowledged turns are missing.
};

struct NodeIdentity {
  // Random, made when the directory was: a wiped node has another one.
  uint64_t incarnation = 0;
  // Serialized by the runtime: cluster id, node id and initial members; empty until
  // the cluster was formed.
  std::string formed;
  bool operator==(const NodeIdentity&) const = default;
};

struct StoreStats {
  uint64_t turns = 0;  // Batches written.
  uint64_t syncs = 0;
  uint64_t bytes_written = 0;  // Payload bytes handed to Write.
  uint64_t disk_bytes = 0;     // Size of the directory's files.
  uint64_t wal_bytes = 0;      // Bytes appended to the WAL.
  uint64_t table_bytes = 0;    // Bytes written by flushes and compactions.
  uint64_t cache_bytes = 0;    // Blocks of tables in memory; grows to a fixed limit.

  // Bytes that reach the disk for each payload byte; 0 before the first write.
  [[nodiscard]] double WriteAmplification() const {
    if (bytes_written == 0) return 0;
    return static_cast<double>(wal_bytes + table_bytes) / static_cast<double>(bytes_written);
  }
};

// Entries together with where the read stopped.
struct EntryRange {
  std::vector<StoredEntry> entries;
};

// What is free on the disk.
enum class Room : uint8_t {
  kEnough,
  kLow,   // Less than the watermark: a leader refuses data appends (STORAGE_FULL).
  kNone,  // Less than half of it: a leader that can do without this node sends it nothing. What
          // must go on, votes, leases, trims and memberships, still writes.
};

class LogStore {
 public:
  virtual ~LogStore() = default;

  // Applies `batch` whole, or after a crash not at all, and syncs it.
  // Errors: any is final for the process; kResourceExhausted for a full disk.
  virtual absl::Status Write(const StoreBatch& batch) = 0;

  // A run that continues the log of `group` behind its last entry, `after`. Nothing but trims and
  // hard states may be written for the group until the run is taken or dropped. Any thread.
  // Errors: kNotFound for an unknown group; kOutOfRange if its last entry is another one.
  virtual absl::StatusOr<std::unique_ptr<RunBuilder>> BeginRun(GroupId group, Index after) = 0;
  // One that continues `run`, and may be taken once that was taken.
  virtual absl::StatusOr<std::unique_ptr<RunBuilder>> BeginRunBehind(const EntryRun& run) = 0;
  // Whether the log as it stands ends where `run` begins, so that it may be taken. Any thread.
  [[nodiscard]] virtual bool Continues(const EntryRun& run) const = 0;

  // Entries [first, last] of `group`, oldest first, cut short before their payloads exceed
  // `max_bytes`, and before a damaged entry; at least one entry is returned.
  // Errors: kOutOfRange if `first` was trimmed or not yet written; kDataLoss, naming group
  //   and index, if `first` is gone or does not match its checksum; kNotFound for an unknown
  //   group.
  virtual absl::StatusOr<EntryRange> ReadEntries(GroupId group, Index first, Index last,
                                                 uint64_t max_bytes) const = 0;

  // The rows of entries [first, last] as they are stored (rocks_rows.h), unchecked, oldest first,
  // until `take` returns false; each is valid while it is shown. Errors: as ReadEntries, if not
  // even the first one can be read; what is behind others is for the next call to say.
  virtual absl::Status ReadRows(GroupId group, Index first, Index last,
                                absl::FunctionRef<bool(std::string_view)> take) const = 0;

  // Index of the entry that holds `seq`. Errors: kOutOfRange when it is not stored.
  virtual absl::StatusOr<Index> SeekSeq(GroupId group, Seq seq) const = 0;

  // Seq of the first record whose timestamp is at or after `timestamp_us`; nullopt when
  // all are older.
  virtual absl::StatusOr<std::optional<Seq>> SeekTime(GroupId group,
                                                      int64_t timestamp_us) const = 0;

  // All groups that are present (not those in the trash), by id.
  virtual absl::StatusOr<std::vector<StoredGroup>> LoadGroups() const = 0;

  // Payload bytes kept for a group, by segment, in the order of its rows.
  virtual absl::StatusOr<std::vector<uint64_t>> SegmentBytes(GroupId group) const = 0;

  [[nodiscard]] virtual NodeIdentity Identity() const = 0;
  // Durable before it returns.
  virtual absl::Status SetFormed(const std::string& formed) = 0;

  [[nodiscard]] virtual RecoveryVerdict Verdict() const = 0;
  // One line for the log: what was found and what was done about it.
  [[nodiscard]] virtual std::string VerdictDetail() const = 0;
  // The node was made whole again (refilled, or the last turn was judged): the verdict is
  // kSound from now on. Until then it outlives restarts. Durable before it returns.
  virtual absl::Status ResolveVerdict() = 0;

  // What was found that cannot be read; empty: nothing. Cheap; any thread.
  [[nodiscard]] virtual std::string Damage() const = 0;
  // The next opening of the store may drop what cannot be read, and what stands behind it in its
  // log (StoredGroup::damage). Durable before it returns. Requires: Damage() is not empty.
  virtual absl::Status RebuildAtNextOpen() = 0;

  // Cheap; any thread.
  [[nodiscard]] virtual Room FreeRoom() const = 0;
  // Whether data appends may be taken.
  [[nodiscard]] bool HasSpace() const { return FreeRoom() == Room::kEnough; }
  [[nodiscard]] virtual StoreStats Stats() const = 0;
};

}  // namespace cairn::storage
