// RocksLogStore's inside, shared by its sources: rocks_open.cc (how a directory comes back),
// rocks_log_store.cc (writing, upkeep) and rocks_read.cc (reading).
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/rate_limiter.h>

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "storage/background_pace.h"
#include "storage/data_dir.h"
#include "storage/manifest_watch.h"
#include "storage/recovery.h"
#include "storage/rocks_log_store.h"
#include "storage/rocks_options.h"
#include "storage/rocks_reclaim.h"
#include "storage/rocks_tables.h"
#include "storage/side_mark.h"
#include "storage/space_guard.h"
#include "storage/trash_clock.h"
#include "storage/wal_pool.h"

namespace cairn::storage {

class RebuiltDatabase;
class RocksRun;

struct RocksLogStore::Impl {
  explicit Impl(RocksOptions options_in) : options(std::move(options_in)) {}
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  // ---- Opening (rocks_open.cc), in this order ----------------------------------------
  absl::Status Open();
  absl::Status OpenFiles();
  // Scans the log, writes what is feared to VERDICT, cuts. Leaves the finding in `evidence`.
  absl::Status PrepareLog(RecoveryEvidence& evidence);
  // kDataLoss, and rebuild_is_asked, if an earlier process has asked for a rebuild.
  [[nodiscard]] absl::Status CheckDamageNote();
  [[nodiscard]] absl::Status CheckManifest(const SideMarkFound& marked) const;
  absl::Status OpenDatabase();
  absl::Status LoadMeta();
  absl::Status CreateMeta();
  absl::Status Judge(RecoveryEvidence evidence);
  absl::Status OpenMark(const RecoveryEvidence& evidence);
  absl::Status LoadExtents();
  void StartUpkeep();
  void CloseDatabase();
  // "data directory D: …", with what to do about it.
  [[nodiscard]] absl::Status CannotOpen(const rocksdb::Status& status) const;
  [[nodiscard]] absl::Status Damaged(std::string_view cause) const;

  // ---- Rebuilding (rocks_rebuild.cc) --------------------------------------------------
  // After Open() failed with kDataLoss `why`, on whatever it had opened by then. False: it is not
  // the time to, and the next Open() takes the database as it is.
  absl::StatusOr<bool> Rebuild(const absl::Status& why);
  // Errors: `why`, with what stands against a rebuild.
  [[nodiscard]] absl::StatusOr<NodeIdentity> WhoCanBeFilled(const absl::Status& why) const;
  absl::Status CopyWhatReads(RebuiltDatabase& to) const;
  absl::Status BeginAnew(const NodeIdentity& node, RebuiltDatabase& to, const absl::Status& why);
  void TellRebuilt(const absl::Status& why);
  // Whether a directory that Open() refused can be rebuilt at all.
  [[nodiscard]] bool HasStore() const { return dir != nullptr && !dir->is_new(); }
  [[nodiscard]] bool PeersHoldIt(const NodeIdentity& node) const {
    return options.peers_hold_it && options.peers_hold_it(node.formed);
  }

  // ---- Damage, noticed by anybody (any thread) ----------------------------------------
  void NoteDamage(std::string_view detail) const ABSL_LOCKS_EXCLUDED(damage_mutex);
  // Passes `status` on; damage is noted.
  [[nodiscard]] absl::Status Noted(absl::Status status) const;

  // ---- Writing (rocks_log_store.cc) ---------------------------------------------------
  absl::Status Write(const StoreBatch& batch);
  // Writes and syncs `batch`, as the next turn, and marks it.
  absl::Status Commit() ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex);
  void BeginTurn() ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex);
  // Of the groups in the trash that this write will purge: drops the tables that are theirs alone.
  absl::Status PreparePurges(const StoreBatch& writes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex);
  // Whether what was removed then has been in the trash for long enough.
  [[nodiscard]] bool IsOver(WallMicros removed_at) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex) {
    return removed_at == kPurging || trash_clock.IsOver(removed_at);
  }
  void PaceBackground() ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex);
  void Publish(const std::set<GroupId>& changed) ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex);
  absl::Status SetFormed(const std::string& formed);
  absl::Status ResolveVerdict();

  // ---- Runs (rocks_run.cc) ------------------------------------------------------------
  absl::StatusOr<std::unique_ptr<RunBuilder>> BeginRun(GroupId group, Index after);
  // Behind entry `after`, at which `bytes` is the running sum.
  std::unique_ptr<RunBuilder> NewRun(GroupId group, Index after, uint64_t bytes);
  [[nodiscard]] bool Continues(const RocksRun& run) const;
  // So that ingesting behind entry `after` does not wait for a flush with all writers behind it.
  absl::Status FlushTombstones(GroupId group, Index after);
  // Whether a tombstone may cover what comes behind `after`; it is flushed after this.
  absl::StatusOr<bool> TakeBuried(GroupId group, Index after);
  // Steps 1 and 2 for the runs of a batch.
  absl::Status PrepareRuns(const StoreBatch& writes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex);
  // At open: deletes what a crash has left of them.
  absl::Status DropUnfinishedRuns();

  absl::Status Upkeep();
  void RunUpkeep();

  // ---- Reading (rocks_read.cc) --------------------------------------------------------
  absl::StatusOr<Extent> FindExtent(GroupId group) const;
  absl::StatusOr<EntryRange> ReadEntries(GroupId group, Index first, Index last,
                                         uint64_t max_bytes) const;
  absl::Status ReadRows(GroupId group, Index first, Index last,
                        absl::FunctionRef<bool(std::string_view)> take) const;
  absl::StatusOr<Index> SeekSeq(GroupId group, Seq seq) const;
  absl::StatusOr<std::optional<Seq>> SeekTime(GroupId group, int64_t timestamp_us) const;
  absl::StatusOr<std::vector<StoredGroup>> LoadGroups() const;
  absl::StatusOr<std::vector<uint64_t>> SegmentBytes(GroupId group) const;
  [[nodiscard]] uint64_t DiskBytes() const;

  // Declared in the order in which they are opened; closed in the reverse one.
  const RocksOptions options;
  std::unique_ptr<DataDir> dir;
  std::shared_ptr<rocksdb::FileSystem> base_fs;
  std::shared_ptr<ManifestWatchFs> manifest_fs;
  std::shared_ptr<rocksdb::RateLimiter> limiter;
  std::shared_ptr<WalPoolFs> wal_fs;
  std::unique_ptr<rocksdb::Env> env;
  std::shared_ptr<TableBytesListener> table_bytes;
  std::unique_ptr<rocksdb::DB> db;
  Columns columns;
  bool identity_is_read = false;  // From the database, by LoadMeta.
  bool rebuild_is_asked = false;  // All was opened, and an earlier process left the order.
  std::string boot_id;
  std::unique_ptr<SideMark> mark;
  std::unique_ptr<SpaceGuard> space;
  Extents extents;
  std::unique_ptr<Reclaimer> reclaimer;

  // Held over a whole write: there is one writer, but for SetFormed.
  mutable absl::Mutex write_mutex;
  GroupTables tables ABSL_GUARDED_BY(write_mutex);
  rocksdb::WriteBatch batch ABSL_GUARDED_BY(write_mutex);
  uint64_t turn ABSL_GUARDED_BY(write_mutex) = 0;
  BackgroundPace pace ABSL_GUARDED_BY(write_mutex);
  TrashClock trash_clock ABSL_GUARDED_BY(write_mutex){options.trash_keep_us};
  // Groups with a range tombstone that may not have been compacted away, and the last entry that it
  // may cover.
  std::map<GroupId, Index> buried ABSL_GUARDED_BY(write_mutex);
  // Why no further write may be tried.
  absl::Status failure ABSL_GUARDED_BY(write_mutex);

  mutable absl::Mutex facts_mutex;
  NodeIdentity identity ABSL_GUARDED_BY(facts_mutex);
  RecoveryDecision decision ABSL_GUARDED_BY(facts_mutex);

  // What was found since, or before, the start.
  mutable absl::Mutex damage_mutex;
  mutable std::string damage ABSL_GUARDED_BY(damage_mutex);

  std::atomic<uint64_t> turns{0};
  std::atomic<uint64_t> runs_begun{0};
  std::atomic<uint64_t> payload_bytes{0};

  absl::Mutex upkeep_mutex;
  bool stopping ABSL_GUARDED_BY(upkeep_mutex) = false;
  std::thread upkeep_thread;
};

}  // namespace cairn::storage
