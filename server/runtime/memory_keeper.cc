#include "server/runtime/memory_keeper.h"

#include <utility>

namespace cairn::server {

bool MemoryKeeper::Look(uint64_t work_bytes, MonoMicros now) {
  if (now - looked_at_ < kLookUs) return false;
  looked_at_ = now;
  const uint64_t done = work_bytes - std::exchange(seen_bytes_, work_bytes);
  rests_ = done < kRestBytes ? rests_ + 1 : 0;
  if (rests_ < kRests || work_bytes - trimmed_bytes_ < kWorthBytes) return false;
  trimmed_bytes_ = work_bytes;
  return true;
}

}  // namespace cairn::server
