// RateMeter: an allowance per second, with a burst's worth of it in hand after a pause: a second's,
// unless its owner says otherwise.
//
// Virtual scheduling (the generic cell rate algorithm, ITU-T I.371 appendix A): the meter knows
// when all that was granted so far is paid for. What asks while that lies a burst ahead at
// most goes at once; what asks later is told when. A request that is larger than a burst's
// allowance passes in one piece, and those behind it wait for it to be paid.
//
// Threads: any. Lifetime: its owner's.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/clock.h"

namespace cairn {

class RateMeter {
 public:
  // `burst_us`: how far ahead of time an allowance may be spent.
  explicit RateMeter(int64_t burst_us = kMicrosPerSecond) : burst_us_(burst_us) {}

  // `per_second` 0: no limit. May change at any time; what was granted stays.
  void SetRate(uint64_t per_second) { per_second_.store(per_second, std::memory_order_relaxed); }
  [[nodiscard]] uint64_t rate() const { return per_second_.load(std::memory_order_relaxed); }

  // When `amount` that is asked for now could go: `now`, or later. Grants nothing.
  [[nodiscard]] MonoMicros Opening(MonoMicros now) const;
  // Grants `amount` and says from when on it may go: `now`, or later. Who asks first goes first.
  [[nodiscard]] MonoMicros Claim(uint64_t amount, MonoMicros now);
  // Whether all that was granted is paid for: such a meter is as good as a new one.
  [[nodiscard]] bool IsIdle(MonoMicros now) const;
  // What was granted was not used.
  void Return(uint64_t amount);

 private:
  [[nodiscard]] int64_t CostNs(uint64_t amount) const;

  const int64_t burst_us_;
  std::atomic<uint64_t> per_second_{0};
  // When everything that was granted is paid for, in nanoseconds of the callers' clock: in
  // microseconds, small amounts of a large allowance would cost nothing.
  std::atomic<int64_t> paid_ns_{0};
};

}  // namespace cairn
