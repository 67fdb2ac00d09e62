#include "storage/rocks_options.h"

#include <rocksdb/cache.h>
#include <rocksdb/sst_partitioner.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "storage/background_pace.h"
#include "storage/portion_fs.h"
#include "storage/steady_bursts.h"

namespace cairn::storage {
namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr int kMaxMemtables = 3;  // One that is filled, two that are flushed.
constexpr int kLiveWals = 4;
constexpr uint64_t kBlockCacheBytes = 32 * kMiB;
constexpr size_t kGroupPrefixBytes = 8;

// Cuts tables at group borders, so that a trim can drop whole files. Groups of a few bytes
// share a file: thousands of idle logs are not thousands of files.
class GroupPartitioner : public rocksdb::SstPartitioner {
 public:
  explicit GroupPartitioner(uint64_t min_file_bytes) : min_file_bytes_(min_file_bytes) {}
  [[nodiscard]] const char* Name() const override { return "CairnGroupPartitioner"; }
  rocksdb::PartitionerResult ShouldPartition(const rocksdb::PartitionerRequest& request) override {
    const rocksdb::Slice& before = *request.prev_user_key;
    const rocksdb::Slice& after = *request.current_user_key;
    const bool border = before.size() < kGroupPrefixBytes || after.size() < kGroupPrefixBytes ||
                        std::memcmp(before.data(), after.data(), kGroupPrefixBytes) != 0;
    return border && request.current_output_file_size >= min_file_bytes_ ? rocksdb::kRequired
                                                                         : rocksdb::kNotRequired;
  }
  // A file that is only linked to the next level costs nothing, whatever it holds.
  bool CanDoTrivialMove(const rocksdb::Slice&, const rocksdb::Slice&) override { return true; }

 private:
  const uint64_t min_file_bytes_;
};

class GroupPartitionerFactory : public rocksdb::SstPartitionerFactory {
 public:
  explicit GroupPartitionerFactory(uint64_t min_file_bytes) : min_file_bytes_(min_file_bytes) {}
  [[nodiscard]] const char* Name() const override { return "CairnGroupPartitionerFactory"; }
  [[nodiscard]] std::unique_ptr<rocksdb::SstPartitioner> CreatePartitioner(
      const rocksdb::SstPartitioner::Context&) const override {
    return std::make_unique<GroupPartitioner>(min_file_bytes_);
  }

 private:
  const uint64_t min_file_bytes_;
};

// Small rows, rewritten at will.
rocksdb::ColumnFamilyOptions RowsOptions(uint64_t memtable_bytes,
                                         const rocksdb::BlockBasedTableOptions& table) {
  rocksdb::ColumnFamilyOptions options;
  options.write_buffer_size = std::max<uint64_t>(memtable_bytes, 64 << 10);
  options.max_write_buffer_number = 2;
  options.compression = rocksdb::kNoCompression;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

rocksdb::ColumnFamilyOptions EntriesOptions(uint64_t memtable_bytes,
                                            const rocksdb::BlockBasedTableOptions& table) {
  rocksdb::ColumnFamilyOptions options = RowsOptions(memtable_bytes, table);
  options.max_write_buffer_number = kMaxMemtables;
  // Entries of all groups lie mixed in level 0 and apart below. New entries of a group sort
  // behind its old ones, so below level 1 files are only linked, not rewritten: each byte is
  // written about three times (WAL, flush, level 1). Dynamic level sizes would merge level 0
  // straight into the biggest level.
  options.level_compaction_dynamic_level_bytes = false;
  options.level0_file_num_compaction_trigger = 4;
  options.max_bytes_for_level_base = 4 * memtable_bytes;
  options.target_file_size_base = memtable_bytes;
  options.sst_partitioner_factory =
      std::make_shared<GroupPartitionerFactory>(OwnTableBytes(memtable_bytes));
  return options;
}

}  // namespace

const char* FamilyName(Family family) {
  switch (family) {
    case Family::kMeta:
      return "default";
    case Family::kEntries:
      return "entries";
    case Family::kSeqs:
      return "seqs";
    case Family::kState:
      return "state";
  }
  CHECK_UNREACHABLE();
}

void TableBytesListener::OnFlushCompleted(rocksdb::DB*, const rocksdb::FlushJobInfo& info) {
  const rocksdb::TableProperties& table = info.table_properties;
  bytes_.fetch_add(table.data_size + table.index_size + table.filter_size,
                   std::memory_order_relaxed);
}

void TableBytesListener::OnExternalFileIngested(rocksdb::DB*,
                                                const rocksdb::ExternalFileIngestionInfo& info) {
  const rocksdb::TableProperties& table = info.table_properties;
  bytes_.fetch_add(table.data_size + table.index_size + table.filter_size,
                   std::memory_order_relaxed);
}

void TableBytesListener::OnCompactionCompleted(rocksdb::DB*,
                                               const rocksdb::CompactionJobInfo& info) {
  bytes_.fetch_add(info.stats.total_output_bytes, std::memory_order_relaxed);
}

void DamageListener::OnBackgroundError(rocksdb::BackgroundErrorReason reason,
                                       rocksdb::Status* error) {
  if (reason != rocksdb::BackgroundErrorReason::kCompaction || !error->IsCorruption()) return;
  note_(error->ToString());
  *error = rocksdb::Status::OK();
}

uint64_t OwnTableBytes(uint64_t memtable_bytes) { return std::min(kMiB, memtable_bytes / 16); }

uint64_t WalFileBytes(uint64_t memtable_bytes) { return memtable_bytes + memtable_bytes / 4; }

uint64_t MemtablesAndWalBytes(uint64_t memtable_bytes) {
  return kMaxMemtables * memtable_bytes + kLiveWals * WalFileBytes(memtable_bytes);
}

uint32_t MostLiveWals() { return kLiveWals + 2; }

std::shared_ptr<rocksdb::RateLimiter> MakeLimiter() {
  return MakeSteadyBursts(BackgroundPace::kUnbounded, BackgroundPace::kLeast);
}

rocksdb::DBOptions MakeDbOptions(rocksdb::Env* env, uint64_t memtable_bytes, bool create,
                                 bool direct_io, std::shared_ptr<rocksdb::RateLimiter> limiter,
                                 std::vector<std::shared_ptr<rocksdb::EventListener>> listeners) {
  rocksdb::DBOptions options;
  options.env = env;
  options.create_if_missing = create;
  options.create_missing_column_families = create;
  // Damage is found and judged before RocksDB opens (wal_scan.h). These two make sure that
  // it refuses what the scan did not cut, rather than drop it.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  options.track_and_verify_wals_in_manifest = true;
  // A failed write or sync is final: the process stops (log_store.h).
  options.max_bgerror_resume_count = 0;
  // One writer: no need for its own queues to be clever.
  options.allow_concurrent_memtable_write = false;
  options.enable_write_thread_adaptive_yield = false;
  // The small families would keep old WALs alive for ever.
  options.max_total_wal_size = kLiveWals * WalFileBytes(memtable_bytes);
  options.max_background_jobs = 2;
  options.max_open_files = 1024;
  // Tables go to the disk past the page cache: what a flush or a compaction writes is seldom
  // read soon, and taking pages for it costs more than the disk.
  options.use_direct_io_for_flush_and_compaction = direct_io;
  // Written at a time (portion_fs.h).
  options.writable_file_max_buffer_size = kPortionBytes;
  // Where they cannot: as they are written, not all at their end, before somebody's sync.
  options.bytes_per_sync = kMiB;
  options.rate_limiter = std::move(limiter);
  // The kernel would read ahead in pieces of what the disk's settings say, up to megabytes, before
  // which syncs wait (portion_fs.h).
  options.advise_random_on_open = true;
  options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  options.max_log_file_size = kMiB;
  options.keep_log_file_num = 2;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.listeners = std::move(listeners);
  return options;
}

std::vector<rocksdb::ColumnFamilyDescriptor> MakeFamilies(uint64_t memtable_bytes) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(kBlockCacheBytes);
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.checksum = rocksdb::kXXH3;
  table.format_version = 5;
  rocksdb::BlockBasedTableOptions entries_table = table;
  // Entries are read in order, and one may be larger than any block.
  entries_table.block_size = 32 << 10;
  return {
      {rocksdb::kDefaultColumnFamilyName, RowsOptions(memtable_bytes / 16, table)},
      {FamilyName(Family::kEntries), EntriesOptions(memtable_bytes, entries_table)},
      {FamilyName(Family::kSeqs), RowsOptions(memtable_bytes / 4, table)},
      {FamilyName(Family::kState), RowsOptions(memtable_bytes / 4, table)},
  };
}

}  // namespace cairn::storage
