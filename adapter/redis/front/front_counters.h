// FrontCounters: what one io thread counts, for FrontStats.
//
// Threads: written by its io thread alone, read by any. A read may fall between two additions that
// belong together.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>

#include "adapter/redis/agent_status.h"

namespace cairn::adapter::redis {

// With one writer, an addition costs no locked instruction.
class FrontCounter {
 public:
  void Add(uint64_t n) { Set(value() + n); }
  void Set(uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  [[nodiscard]] uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

struct FrontCounters {
  FrontCounter requests;
  FrontCounter writes_refused;
  FrontCounter clients_cut;
  // Looked at once a second.
  FrontCounter backends;
  FrontCounter held_replies;
  FrontCounter held_bytes;
  FrontCounter lag_bytes;
  FrontCounter lag_us;

  std::array<FrontCounter, HoldTimes::kBoundsUs.size() + 1> held;
  FrontCounter held_sum_us;

  // So many replies have left after so long.
  void CountHeld(int64_t held_us, uint64_t replies) {
    held_us = std::max<int64_t>(held_us, 0);
    const auto* const bound =
        std::lower_bound(HoldTimes::kBoundsUs.begin(), HoldTimes::kBoundsUs.end(), held_us);
    held[static_cast<size_t>(bound - HoldTimes::kBoundsUs.begin())].Add(replies);
    held_sum_us.Add(static_cast<uint64_t>(held_us) * replies);
  }

  void AddTo(FrontStats* stats) const {
    stats->requests += requests.value();
    stats->writes_refused += writes_refused.value();
    stats->clients_cut += clients_cut.value();
    stats->backends += backends.value();
    stats->held_replies += held_replies.value();
    stats->held_bytes += held_bytes.value();
    stats->lag_bytes = std::max(stats->lag_bytes, lag_bytes.value());
    stats->lag_us = std::max(stats->lag_us, static_cast<int64_t>(lag_us.value()));
    for (size_t i = 0; i < held.size(); ++i) stats->held.counts[i] += held[i].value();
    stats->held.sum_us += held_sum_us.value();
  }
};

}  // namespace cairn::adapter::redis
