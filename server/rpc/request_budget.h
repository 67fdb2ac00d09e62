// RequestBudget: bytes that a node holds for its callers. There are two.
//
// Of appends until they are answered, whoever leads: a unary one that finds it spent is refused; a
// stream that does is not read until some of its own requests are answered. So a load that the
// cluster cannot keep up with meets refusals and flow control, and does not grow the node.
//
// Of records that readers have asked for and not taken: a stream that finds it spent is handed
// little at a time (record_stream.h).
//
// Threads: any. Lifetime: outlives every call.
#pragma once

#include <atomic>
#include <cstdint>

namespace cairn::rpc {

class RequestBudget {
 public:
  explicit RequestBudget(uint64_t limit_bytes) : limit_bytes_(limit_bytes) {}

  // False, and nothing is taken, when that would pass the limit. A request that is larger than
  // all of it passes alone.
  [[nodiscard]] bool TryTake(uint64_t bytes) {
    const uint64_t before = used_bytes_.fetch_add(bytes, std::memory_order_relaxed);
    if (before == 0 || before + bytes <= limit_bytes_) return true;
    Give(bytes);
    return false;
  }
  // For what is bounded elsewhere, too.
  void Take(uint64_t bytes) { used_bytes_.fetch_add(bytes, std::memory_order_relaxed); }
  void Give(uint64_t bytes) { used_bytes_.fetch_sub(bytes, std::memory_order_relaxed); }
  [[nodiscard]] bool spent() const {
    return used_bytes_.load(std::memory_order_relaxed) >= limit_bytes_;
  }

 private:
  const uint64_t limit_bytes_;
  std::atomic<uint64_t> used_bytes_{0};
};

}  // namespace cairn::rpc
