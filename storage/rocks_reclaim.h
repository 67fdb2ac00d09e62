// Reclaimer: gives the bytes of trimmed and purged data back to the file system.
//
// A removed group whose time has come is purged by the writer; the tables that hold nothing else
// go before that (DropTables), so that nobody has to read what nobody wants.
//
// A trim leaves a range tombstone, which hides data but frees nothing. In the background:
//   1. files that lie wholly in the dead range are dropped (no rewriting);
//   2. what is left shares files with living data. It is compacted once it is 1 MiB, or more
//      than half of the files it lies in, or has waited for 30 s. Less than a block (32 KiB)
//      may stay until RocksDB itself compacts its file.
// A round comes at most every 15 s, because the first trimmed bytes of many logs lie in the
// same few files of level 0: one rewriting serves them all. Rewriting what is only old takes
// an eighth of the time at most, so that many small trims cannot keep the disk busy.
//
// Dropping a file also drops the tombstones in it, so older rows below it can come to light.
// They lie below the group's first index, where nobody looks, and every later trim covers
// them again. Hence only ranges below a living group's first index are dropped so, and never
// while a group that came back reuses indexes (BeginReuse).
//
// Threads: Note, DropTables and the reuse lock from the writer; Run from one thread.
// Lifetime: goes before the database is closed.
#pragma once

#include <rocksdb/db.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "storage/rocks_tables.h"

namespace cairn::storage {

class Reclaimer {
 public:
  // All outlive this. `table_bytes`: what a group may have without a table of its own.
  Reclaimer(const Columns* columns, const Extents* extents, const Clock* clock,
            uint64_t table_bytes)
      : columns_(columns), extents_(extents), clock_(clock), table_bytes_(table_bytes) {}

  // These groups have dead bytes, since the last turn.
  void Note(const std::set<GroupId>& groups);
  // Does a round if one is due and there is anything to do. Errors: RocksDB's.
  absl::Status Run();
  // Does a round now.
  absl::Status RunNow();

  // Drops the tables that hold nothing but rows of these groups, none of which counts any more, not
  // even for a check (kPurging). By the writer, who keeps others from writing any.
  absl::Status DropTables(const std::vector<GroupId>& groups);
  // Whether there may be such tables.
  [[nodiscard]] bool HasTables(GroupId group) const;

  // Held by the writer while a batch that uses dropped indexes again, and its extents, become
  // visible.
  absl::Mutex& reuse_mutex() ABSL_LOCK_RETURNED(reuse_mutex_) { return reuse_mutex_; }

 private:
  struct Range {
    std::string begin;  // Keys of the entries family; end exclusive.
    std::string end;
  };
  [[nodiscard]] Range DeadRange(GroupId group, bool& living) const;
  absl::Status DropFiles(GroupId group);
  // Whether the group is done with; false: look again in a later round.
  absl::StatusOr<bool> Reclaim(GroupId group, MonoMicros noted_at_us);
  [[nodiscard]] bool WorthRewriting(const Range& range, uint64_t dead_bytes) const;
  void UnlinkDropped();

  const Columns* const columns_;
  const Extents* const extents_;
  const Clock* const clock_;
  const uint64_t table_bytes_;
  absl::Mutex reuse_mutex_;
  absl::Mutex mutex_;
  // With the time of the first note.
  std::map<GroupId, MonoMicros> noted_ ABSL_GUARDED_BY(mutex_);
  // Views of the database that still has the tables that were dropped: when the last of them goes,
  // RocksDB unlinks these, which takes long, and is not the writer's matter.
  std::vector<std::unique_ptr<rocksdb::Iterator>> views_ ABSL_GUARDED_BY(mutex_);
  MonoMicros next_round_us_ = 0;
  MonoMicros next_old_us_ = 0;
};

}  // namespace cairn::storage
