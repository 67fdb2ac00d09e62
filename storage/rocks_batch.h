// BatchBuilder: turns GroupWrites into one rocksdb::WriteBatch, and moves the writer's
// tables along with it.
//
// One builder per turn. The same group may come more than once (the commit queue merges the
// batches of several workers): what was put into the batch so far counts as stored. If the
// turn is not written after all, the tables are wrong; but then the process stops.
//
// Suffixes and rows are deleted one by one; only a trim, an install or a purge, which drop
// many rows for good, leave a range tombstone. That of a purge covers what there is and no more,
// since runs that are ingested over a tombstone have to wait for it to go (rocks_run.h).
#pragma once

#include <rocksdb/write_batch.h>

#include <map>
#include <set>
#include <vector>

#include "absl/status/status.h"
#include "base/clock.h"
#include "storage/rocks_run.h"
#include "storage/rocks_tables.h"

namespace cairn::storage {

// Whether there is a group behind this write; one that was in the trash begins with nothing.
bool LeavesAGroup(const GroupWrite& write);

class BatchBuilder {
 public:
  // All three outlive this. `now` is the time of removal for the trash.
  BatchBuilder(const Columns& columns, GroupTables* tables, rocksdb::WriteBatch* batch,
               WallMicros now);

  // Errors: those of the reads that a replaced suffix or a new segment needs.
  absl::Status Add(const GroupWrite& write);
  // Really deletes a group that is in the trash.
  absl::Status Purge(GroupId group);
  // Deletes what is left of a run that the group behind entry `last` was about to take.
  absl::Status DropRun(GroupId group, Index last);

  // Groups whose extent may have changed or that are gone.
  [[nodiscard]] const std::set<GroupId>& changed() const { return changed_; }
  // Of these, the ones that left dead bytes behind.
  [[nodiscard]] const std::set<GroupId>& shrunk() const { return shrunk_; }
  // Whether indexes that were dropped before are in use again (a group that came back): files
  // must not be dropped meanwhile.
  [[nodiscard]] bool reuses_indexes() const { return reuses_indexes_; }
  // Of these, the ones whose rows a range tombstone deletes, with the last entry that it may cover.
  [[nodiscard]] const std::map<GroupId, Index>& buried() const { return buried_; }
  [[nodiscard]] uint64_t payload_bytes() const { return payload_bytes_; }

 private:
  // An entry that this batch holds.
  struct Staged {
    Index index;
    Seq first_seq;
    uint32_t record_count = 0;
    uint64_t bytes_through = 0;
  };

  absl::Status Remove(GroupId group);
  absl::Status DropRows(GroupId group);
  absl::Status Bury(GroupId group);
  absl::Status BuryWhatThereIs(GroupId group);
  absl::StatusOr<Index> BuryRows(GroupId group, Family family);
  absl::Status Install(GroupId group, const SegmentRow& row, SegmentTable& table);
  absl::Status AddRun(GroupId group, const RocksRun& run, SegmentTable& table);
  absl::Status AddEntries(GroupId group, const std::vector<StoredEntry>& entries,
                          SegmentTable& table);
  absl::Status AddEntry(GroupId group, const StoredEntry& entry, SegmentTable& table);
  absl::Status CutAfter(GroupId group, Index last, SegmentTable& table);
  absl::Status ForgetDamage(GroupId group);
  absl::Status CutSeqRows(GroupId group, Index last);
  absl::Status AddSegment(GroupId group, const SegmentRow& row, SegmentTable& table);
  absl::Status TrimTo(GroupId group, Index to, SegmentTable& table);
  absl::StatusOr<uint64_t> BytesThrough(GroupId group, Index index, const SegmentTable& table);

  absl::Status Put(Family family, const std::string& key, const std::string& value);
  absl::Status Delete(Family family, const std::string& key);
  absl::Status DeleteRange(Family family, const std::string& begin, const std::string& end);

  const Columns& columns_;
  GroupTables& tables_;
  rocksdb::WriteBatch& batch_;
  const WallMicros now_;
  std::map<GroupId, std::vector<Staged>> staged_;
  std::set<GroupId> changed_;
  std::set<GroupId> shrunk_;
  std::map<GroupId, Index> buried_;
  bool reuses_indexes_ = false;
  uint64_t payload_bytes_ = 0;
};

}  // namespace cairn::storage
