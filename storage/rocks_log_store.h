// RocksLogStore: LogStore on one RocksDB, in one data directory.
//
// A turn (one Write) is one WriteBatch and one sync of the write-ahead log, whose files come
// written and synced from a pool (wal_pool.h). Entries go to disk once more when a memtable is
// flushed, and about once more when files are cut at group borders; a trim drops whole files
// and compacts what is left in the background (rocks_reclaim.h).
//
// The directory (docs/storage-format.md):
//   LOCK      held while a process has it open      FORMAT   version of all this
//   MARK      last synced turn, a lower bound of what was acknowledged (side_mark.h)
//   VERDICT   present while the directory is not to be trusted (recovery.h)
//   BALLAST   space set aside for votes and leases on a full disk (space_guard.h)
//   IDENTITY  which node this is, if the database cannot tell any more
//   DAMAGED   what of the database cannot be read, and whether the next start rebuilds it
//   db/       RocksDB      wal-pool/  zeroed files      damaged/  copies of what was cut, and
//                                                       the database that was rebuilt
//   runs/     entries that came in bulk and are not in the database yet (rocks_run.h)
//
// Threads: Write from one thread at a time; all else from any. Two threads of its own:
//   upkeep (mark, space, trash, reclaim) and the pool's; RocksDB has its own besides.
// Lifetime: destroying it syncs the mark and closes; nothing may be using it then.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "storage/log_store.h"

namespace cairn::storage {

// RocksDB's own types, for tests that put a file system underneath (rocks_hooks.h).
struct RocksHooks;

struct RocksOptions {
  std::string dir;
  // False: a directory without a store is an error, not a new store.
  bool create = true;
  // Size of one memtable of entries; up to three are in memory at a time. 256 KiB … 1 GiB.
  uint64_t memtable_bytes = 64ull << 20;
  // WAL files made in advance; 0: WAL files grow as they are written.
  uint32_t wal_pool_files = 2;
  // HasSpace() is false while less than this is free. 0: the larger of 512 MiB and twice what
  // memtables and WAL can take.
  uint64_t watermark_bytes = 0;
  // Given back to the file system when a quarter of the watermark is left.
  uint64_t ballast_bytes = 64ull << 20;
  // How long the data of a removed group is kept.
  int64_t trash_keep_us = 24ll * 3600 * kMicrosPerSecond;
  // Period of the upkeep thread. 0: no thread, Upkeep() is called by hand.
  int64_t upkeep_period_us = kMicrosPerSecond;
  // Whether other nodes hold what this one does, given NodeIdentity::formed: then a database that
  // cannot be read is rebuilt from what can, and nothing of what could not be read counts until
  // they have sent it again (rocks_rebuild.cc). Empty: nobody does, and it is an error.
  std::function<bool(const std::string& formed)> peers_hold_it;
  // Whether they can do without this node's replicas at this moment. Asked, from the thread that
  // opens, when the copy of a damaged database that can be opened is about to take its place:
  // the leave that RebuildAtNextOpen() stands for is as old as the copy took. Empty: they can.
  std::function<bool(const NodeIdentity& self)> peers_can_spare_it;
  // Outlives the store.
  const Clock* clock = &SystemClock();
  // Identifies the run of the kernel; empty: /proc/sys/kernel/random/boot_id.
  std::string boot_id;
  // Free bytes of the file system; empty: statvfs.
  std::function<uint64_t()> free_bytes;
  // Outlives the store; null: none.
  const RocksHooks* hooks = nullptr;
};

// The watermark that holds: the configured one, or what follows from the sizes.
[[nodiscard]] uint64_t WatermarkBytes(const RocksOptions& options);

class RocksLogStore : public LogStore {
 public:
  // Opens the directory, or makes it.
  // Errors: kFailedPrecondition: another process has it, or its format is newer;
  //   kNotFound: there is no store and `create` is false; kDataLoss: what RocksDB itself
  //   cannot open, with nobody to refill it (nothing was changed); kResourceExhausted: no room
  //   to rebuild a damaged database; others: the file system's. Each message names the
  //   directory and says what to do.
  static absl::StatusOr<std::unique_ptr<RocksLogStore>> Open(RocksOptions options);
  ~RocksLogStore() override;
  RocksLogStore(const RocksLogStore&) = delete;
  RocksLogStore& operator=(const RocksLogStore&) = delete;

  absl::Status Write(const StoreBatch& batch) override;
  absl::StatusOr<std::unique_ptr<RunBuilder>> BeginRun(GroupId group, Index after) override;
  absl::StatusOr<std::unique_ptr<RunBuilder>> BeginRunBehind(const EntryRun& run) override;
  [[nodiscard]] bool Continues(const EntryRun& run) const override;
  absl::StatusOr<EntryRange> ReadEntries(GroupId group, Index first, Index last,
                                         uint64_t max_bytes) const override;
  absl::Status ReadRows(GroupId group, Index first, Index last,
                        absl::FunctionRef<bool(std::string_view)> take) const override;
  absl::StatusOr<Index> SeekSeq(GroupId group, Seq seq) const override;
  absl::StatusOr<std::optional<Seq>> SeekTime(GroupId group, int64_t timestamp_us) const override;
  absl::StatusOr<std::vector<StoredGroup>> LoadGroups() const override;
  absl::StatusOr<std::vector<uint64_t>> SegmentBytes(GroupId group) const override;
  [[nodiscard]] NodeIdentity Identity() const override;
  absl::Status SetFormed(const std::string& formed) override;
  [[nodiscard]] RecoveryVerdict Verdict() const override;
  [[nodiscard]] std::string VerdictDetail() const override;
  absl::Status ResolveVerdict() override;
  [[nodiscard]] std::string Damage() const override;
  absl::Status RebuildAtNextOpen() override;
  [[nodiscard]] Room FreeRoom() const override;
  [[nodiscard]] StoreStats Stats() const override;

  // One round of what the upkeep thread does: syncs the mark, looks at the space, gives the
  // bytes of trimmed and purged data back to the file system.
  absl::Status Upkeep();

 private:
  struct Impl;
  explicit RocksLogStore(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn::storage
