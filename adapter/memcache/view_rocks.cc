#include "adapter/memcache/view_rocks.h"

#include <rocksdb/cache.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>

#include "adapter/memcache/view_rows.h"
#include "base/check.h"

namespace cairn::adapter::memcache {
namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kMaxMemtableBytes = 1024 * kMiB;
constexpr int kMaxMemtables = 3;  // One that is filled, two that are flushed.
constexpr int kBloomBitsPerKey = 10;

rocksdb::BlockBasedTableOptions TableOptions(uint64_t cache_bytes) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(cache_bytes);
  // Without these, memory would grow with the number of items.
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.partition_filters = true;
  // Reads on a miss ask for keys that are not there.
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kBloomBitsPerKey));
  // One read for an item of up to that size; scans read many blocks at a time anyway.
  table.block_size = 16 << 10;
  table.checksum = rocksdb::kXXH3;
  table.format_version = 5;
  return table;
}

}  // namespace

bool PurgeFilter::Filter(int /*level*/, const rocksdb::Slice& key, const rocksdb::Slice& value,
                         std::string* /*new_value*/, bool* /*value_changed*/) const {
  if (!ToView(key).starts_with(kItemPrefix)) return false;
  const absl::StatusOr<ItemRow> row = ParseItem(ToView(value));
  // What cannot be read stays, for whoever reads it to say so.
  return row.ok() && HasExpired(row->item.at, horizon_.load(std::memory_order_relaxed));
}

rocksdb::Options ViewRocksOptions(const ViewOptions& options, rocksdb::Env* env,
                                  const PurgeFilter* filter) {
  CHECK_GE(options.cache_bytes, kMiB);
  CHECK_GE(options.memtable_bytes, kMiB);
  CHECK_LE(options.memtable_bytes, kMaxMemtableBytes);
  rocksdb::Options rocks;
  rocks.env = env;
  // After power was lost: what stands before the first damage.
  rocks.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  // A failed write is final: the view is opened anew.
  rocks.max_bgerror_resume_count = 0;
  // One writer: no need for its own queues to be clever.
  rocks.allow_concurrent_memtable_write = false;
  rocks.enable_write_thread_adaptive_yield = false;
  rocks.max_background_jobs = 2;
  rocks.max_open_files = 512;
  rocks.bytes_per_sync = kMiB;
  rocks.write_buffer_size = options.memtable_bytes;
  rocks.max_write_buffer_number = kMaxMemtables;
  rocks.target_file_size_base = options.memtable_bytes;
  rocks.max_bytes_for_level_base = 4 * options.memtable_bytes;
  // Nearly all items lie in the last level, which is ten times the one before: overwritten ones
  // take a tenth of the space.
  rocks.level_compaction_dynamic_level_bytes = true;
  rocks.compression = rocksdb::kLZ4Compression;
  rocks.compaction_filter = filter;
  rocks.table_factory.reset(rocksdb::NewBlockBasedTableFactory(TableOptions(options.cache_bytes)));
  rocks.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  rocks.max_log_file_size = kMiB;
  rocks.keep_log_file_num = 2;
  rocks.stats_dump_period_sec = 0;
  rocks.stats_persist_period_sec = 0;
  return rocks;
}

}  // namespace cairn::adapter::memcache
