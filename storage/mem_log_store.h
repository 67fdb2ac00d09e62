// MemLogStore: LogStore in memory, with a power switch.
//
// The store of the simulator, and of tests that want no disk. Two copies are kept: what
// readers see, and what is synced; batches in between are remembered in order. Payloads are
// shared, so the second copy costs only the index.
//
//   WriteUnsynced(batch)  readers see it, a crash may lose it
//   Sync()                all of it is durable
//   Write(batch)          both: the contract of LogStore
//   Crash(fault, random)  power is cut: unsynced batches are lost from some point on
//   FlipBit, LoseTurns    damage that no crash explains
//
// Whole batches only, as in RocksDB: a torn last batch is dropped, but seen (the verdict is
// kAmbiguous), since nobody can tell whether it had been acknowledged.
//
// Threads: all calls from any thread; one mutex, since nothing here takes long.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/random.h"
#include "storage/log_store.h"
#include "storage/segment_table.h"

namespace cairn::storage {

// What happens to the batches that were not synced when power is cut.
enum class CrashFault : uint8_t {
  kProcess,  // kill -9: the page cache survives, so every batch that was written is there.
  kLoseAll,  // None reached the disk: clean end, kSound.
  kTear,     // A random prefix reached the disk and the batch behind it in part: kAmbiguous.
};

class MemLogStore : public LogStore {
 public:
  // `incarnation` plays the random number that a new directory draws.
  explicit MemLogStore(uint64_t incarnation);

  // ---- LogStore -------------------------------------------------------------------
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
  [[nodiscard]] std::string Damage() const override { return ""; }
  absl::Status RebuildAtNextOpen() override { return absl::OkStatus(); }
  [[nodiscard]] Room FreeRoom() const override;
  [[nodiscard]] StoreStats Stats() const override;

  // ---- The disk behind it ---------------------------------------------------------
  // Applies `batch`; a crash before the next Sync may lose it.
  void WriteUnsynced(const StoreBatch& batch);
  // Everything written so far is durable.
  void Sync();
  // Makes durable only the first `batches` of the unsynced ones (an in-flight sync that
  // completes while later writes already wait).
  void SyncFirst(size_t batches);
  [[nodiscard]] size_t unsynced_batches() const;
  // The process dies and comes back with what the disk kept; Verdict() tells how.
  void Crash(CrashFault fault, Random& random);
  // Takes the last `turns` synced batches away, as a lying disk does. The verdict is kLost; or
  // kAmbiguous, for the last one, torn, of which nobody can tell whether it had been synced.
  // At most kHistory of them are remembered; returns how many were taken.
  size_t LoseTurns(size_t turns, RecoveryVerdict verdict = RecoveryVerdict::kLost);
  // Flips one random bit of a stored payload that is not empty; reading that entry is
  // kDataLoss from now on. False when there is no such entry.
  bool FlipBit(GroupId group, Index index, Random& random);
  // Writes fail from now on with this status; OK heals.
  void FailWrites(absl::Status status);
  void SetRoom(Room room);

  // How many synced batches LoseTurns can take back.
  static constexpr size_t kHistory = 4;

 private:
  struct SeqRow {
    Index index;
    int64_t timestamp_us = 0;
    uint32_t record_count = 0;
  };
  struct StoredRow {
    StoredEntry entry;
    uint64_t checksum = 0;
    uint64_t bytes_through = 0;  // Running sum (SegmentTable).
  };
  struct Group {
    StoredHardState hard_state;
    SegmentTable table;
    std::map<Index, StoredRow> entries;
    std::map<Seq, SeqRow> seqs;
    std::map<Index, SegmentRow> segments;

    void Install(const SegmentRow& row);
    void Append(const StoredEntry& entry);
    void CutAfter(Index last);
    void TrimTo(Index to);
    // Running sum of payload bytes through `index`.
    [[nodiscard]] uint64_t BytesThrough(Index index) const;
  };
  using Groups = std::map<GroupId, Group>;

  static void Apply(const StoreBatch& batch, Groups& groups);
  static void ApplyToGroup(const GroupWrite& write, Groups& groups);
  static bool FlipIn(Groups& groups, GroupId group, Index index, uint64_t draw);
  absl::StatusOr<const Group*> Find(GroupId group) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SyncFirstLocked(size_t batches) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  Groups live_ ABSL_GUARDED_BY(mutex_);
  // `durable_` + `recent_` (synced, kept for LoseTurns) + `unsynced_` = live_.
  Groups durable_ ABSL_GUARDED_BY(mutex_);
  std::deque<StoreBatch> recent_ ABSL_GUARDED_BY(mutex_);
  std::deque<StoreBatch> unsynced_ ABSL_GUARDED_BY(mutex_);
  NodeIdentity identity_ ABSL_GUARDED_BY(mutex_);
  RecoveryVerdict verdict_ ABSL_GUARDED_BY(mutex_) = RecoveryVerdict::kSound;
  std::string verdict_detail_ ABSL_GUARDED_BY(mutex_) = "new";
  absl::Status write_status_ ABSL_GUARDED_BY(mutex_);
  Room room_ ABSL_GUARDED_BY(mutex_) = Room::kEnough;
  StoreStats stats_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace cairn::storage
