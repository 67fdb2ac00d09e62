// BackgroundPace: how fast flushes and compactions may write.
//
// A memtable is flushed while the next one fills, and nothing is gained when that is over early:
// at the disk's full speed it only stands between the log's syncs and the disk, for a tenth of a
// second and more each time. So tables are written at a small multiple of the speed at which the
// log grows, and at once when the work piles up, since then writers would have to wait for it. The
// log files of the first gigabyte (wal_pool.h) are made at the same pace.
//
// Threads: one at a time (the storage thread). Pure.
#pragma once

#include <cstdint>
#include <optional>

#include "base/clock.h"

namespace cairn::storage {

// What RocksDB has not written yet.
struct Backlog {
  // Full memtables of entries, the one that is flushed included.
  uint64_t full_memtables = 0;
  uint64_t level0_files = 0;
  bool compacts = false;  // A compaction runs or is due.
};

class BackgroundPace {
 public:
  // Bytes a second: for background work while nothing or little is written, and without a bound.
  static constexpr int64_t kLeast = 64 << 20;
  static constexpr int64_t kUnbounded = 1ll << 40;

  // Whether a tenth of a second has passed since the last Adjust.
  [[nodiscard]] bool Due(MonoMicros now) const {
    return !adjusted_at_ || now - *adjusted_at_ >= kPeriodMicros;
  }
  // How many bytes a second tables may take from now on. `log_bytes`: appended to the log so
  // far; never falls. Requires: Due(now).
  int64_t Adjust(MonoMicros now, uint64_t log_bytes, const Backlog& backlog);

 private:
  static constexpr int64_t kPeriodMicros = kMicrosPerSecond / 10;

  std::optional<MonoMicros> adjusted_at_;
  uint64_t log_bytes_ = 0;
  double log_speed_ = 0;  // Bytes a second: the highest of late, fading within seconds.
};

}  // namespace cairn::storage
