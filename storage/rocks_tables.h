// The rows of all groups, as the writer knows them, and their way in from disk.
//
// GroupTables belongs to the writer: it is what a batch is judged against. Readers on other
// threads see Extents, which move only after a batch is durable.
#pragma once

#include <rocksdb/db.h>

#include <array>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "storage/log_store.h"
#include "storage/rocks_options.h"
#include "storage/segment_table.h"

namespace cairn::storage {

// In a trash row, instead of a time: some of the group's tables may be gone, and it is purged by
// the next turn.
inline constexpr WallMicros kPurging = 0;

// An open database and its families. Borrowed.
struct Columns {
  rocksdb::DB* db = nullptr;
  std::array<rocksdb::ColumnFamilyHandle*, kFamilies> handles{};
  [[nodiscard]] rocksdb::ColumnFamilyHandle* operator[](Family family) const {
    return handles[static_cast<size_t>(family)];
  }
};

struct GroupTables {
  std::map<GroupId, SegmentTable> live;
  std::map<GroupId, WallMicros> trash;  // When it was removed.
  std::set<GroupId> damaged;            // Those with a damage row.
  // Those with a run row: entries behind that index were to be taken when the process ended.
  std::map<GroupId, Index> unfinished;
};

// What readers need to know of a group.
struct Extent {
  Index before;
  Index last;
  uint64_t bytes = 0;  // Running sum at `last` (segment_table.h).
};

class Extents {
 public:
  [[nodiscard]] std::optional<Extent> Find(GroupId group) const;
  void Set(GroupId group, Extent extent);
  void Remove(GroupId group);
  [[nodiscard]] std::vector<GroupId> Groups() const;

 private:
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<GroupId, Extent> extents_ ABSL_GUARDED_BY(mutex_);
};

// One group's rows in the state family.
struct LoadedGroup {
  StoredGroup stored;  // last_index is not set.
  std::vector<SegmentTable::Segment> segments;
  std::optional<WallMicros> removed_at;
  std::optional<Index> unfinished;  // Entries behind it do not count (rocks_run.h).
};
// All groups, those in the trash too, by id. `snapshot` may be null.
absl::StatusOr<std::vector<LoadedGroup>> LoadGroupRows(const Columns& columns,
                                                       const rocksdb::Snapshot* snapshot);

// What a start needs: the tables of every group. Reads one entry per group besides.
absl::StatusOr<GroupTables> LoadTables(const Columns& columns);

}  // namespace cairn::storage
