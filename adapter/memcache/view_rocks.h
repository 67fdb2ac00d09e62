// How a view tunes RocksDB, and why: the only place where its options are set.
//
// One column family, so that what a recovery keeps of the write-ahead log is one prefix of what was
// written, for items and position alike.
#pragma once

#include <rocksdb/compaction_filter.h>
#include <rocksdb/db.h>
#include <rocksdb/options.h>

#include <atomic>
#include <cstdint>
#include <limits>
#include <string>

#include "adapter/memcache/effect.h"
#include "adapter/memcache/view.h"

namespace cairn::adapter::memcache {

// Drops items that have expired by a horizon as tables are rewritten. Threads: RocksDB's; the
// horizon may be set from any.
class PurgeFilter : public rocksdb::CompactionFilter {
 public:
  static constexpr UnixSeconds kNothing = std::numeric_limits<UnixSeconds>::min();

  void SetHorizon(UnixSeconds horizon) { horizon_.store(horizon, std::memory_order_relaxed); }

  [[nodiscard]] const char* Name() const override { return "CairnViewPurge"; }
  bool Filter(int level, const rocksdb::Slice& key, const rocksdb::Slice& value,
              std::string* new_value, bool* value_changed) const override;

 private:
  std::atomic<UnixSeconds> horizon_{kNothing};
};

// `env` and `filter` outlive the database.
rocksdb::Options ViewRocksOptions(const ViewOptions& options, rocksdb::Env* env,
                                  const PurgeFilter* filter);

}  // namespace cairn::adapter::memcache
