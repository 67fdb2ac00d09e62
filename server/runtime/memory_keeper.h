// MemoryKeeper: gives memory that the allocator has kept back to the system once a load is over.
//
// What a load leaves behind is spread over the allocator's arenas, free but not returned: half of
// an idle node's resident memory after a gigabyte of appends. Giving it back (malloc_trim) locks
// one arena after the other for milliseconds, so it is done when the node rests, and once a load.
//
// Threads: one. Bound: one trim for each kWorthBytes of work.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace cairn::server {

class MemoryKeeper {
 public:
  // Below this much of work in kLookUs the node rests.
  static constexpr uint64_t kRestBytes = 1 << 20;
  static constexpr MonoMicros kLookUs = kMicrosPerSecond;
  // How long it must rest.
  static constexpr int kRests = 3;
  // What must have been done since the last time, for it to be worth while.
  static constexpr uint64_t kWorthBytes = 16 << 20;

  // `work_bytes`: everything that the node has written and read so far. To be called now and then;
  // true when it is time to trim.
  [[nodiscard]] bool Look(uint64_t work_bytes, MonoMicros now);

 private:
  MonoMicros looked_at_ = 0;
  uint64_t seen_bytes_ = 0;     // At the last look.
  uint64_t trimmed_bytes_ = 0;  // At the last trim.
  int rests_ = 0;               // Looks in a row at a node at rest.
};

}  // namespace cairn::server
