// FrontCounters: what an io thread has done, for metrics.
//
// Threads: written by one, read by any.
#pragma once

#include <atomic>
#include <cstdint>

namespace cairn::adapter::memcache {

struct FrontCounters {
  std::atomic<uint64_t> reads{0};      // Sent to the engine.
  std::atomic<uint64_t> changes{0};    // Given to the writer.
  std::atomic<uint64_t> forwarded{0};  // Sent to the primary.
  std::atomic<uint64_t> rejected{0};   // Malformed, or nobody served them in time.
  std::atomic<uint64_t> errors{0};     // That clients were told, whosever they are.
  std::atomic<uint64_t> clients_total{0};
  std::atomic<uint64_t> reply_bytes{0};  // That have not left, of all clients now.
};

// Of all io threads.
struct FrontStats {
  uint64_t clients = 0;
  uint64_t clients_total = 0;
  uint64_t reads = 0;
  uint64_t changes = 0;
  uint64_t forwarded = 0;
  uint64_t rejected = 0;
  uint64_t errors = 0;
  uint64_t reply_bytes = 0;
};

}  // namespace cairn::adapter::memcache
