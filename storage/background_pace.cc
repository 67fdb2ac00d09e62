#include "storage/background_pace.h"

#include <algorithm>

namespace cairn::storage {
namespace {

// A flush is over when half of the next memtable is filled; half of that again for a compaction.
constexpr double kFlushShare = 2;
constexpr double kCompactionShare = 1;
// What is left of the highest speed after a period without a higher one.
constexpr double kFading = 0.9;
// RocksDB slows writers down at 20 files, and stops them at the third full memtable.
constexpr uint64_t kManyLevel0Files = 10;
constexpr uint64_t kManyMemtables = 2;

}  // namespace

int64_t BackgroundPace::Adjust(MonoMicros now, uint64_t log_bytes, const Backlog& backlog) {
  if (adjusted_at_) {
    const double seconds = static_cast<double>(now - *adjusted_at_) / kMicrosPerSecond;
    const auto speed = static_cast<double>(log_bytes - log_bytes_) / seconds;
    log_speed_ = std::max(speed, log_speed_ * kFading);
  }
  adjusted_at_ = now;
  log_bytes_ = log_bytes;
  if (backlog.full_memtables >= kManyMemtables || backlog.level0_files >= kManyLevel0Files) {
    return kUnbounded;
  }
  const double share = kFlushShare + (backlog.compacts ? kCompactionShare : 0);
  return std::max(kLeast, static_cast<int64_t>(log_speed_ * share));
}

}  // namespace cairn::storage
