// LeaseDeadline: until when a holder may act on its lease, as one atomic number.
//
// Loss is sticky: whoever first sees that the time is over (IsSafe included) makes it final, so a
// renewal whose answer comes late never makes the same epoch safe again. A process that was
// stopped and wakes up therefore finds the loss at its first look, whichever thread looks first.
//
// Threads: all methods from any thread, lock-free. Times are of one Clock.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/clock.h"

namespace cairn::client {

class LeaseDeadline {
 public:
  // Begins the only reign. Requires: called once.
  void Begin(MonoMicros until_us) { until_us_.store(until_us, std::memory_order_release); }

  [[nodiscard]] bool IsSafe(MonoMicros now_us) const {
    if (suspensions_.load(std::memory_order_acquire) > 0) return false;
    MonoMicros until_us = until_us_.load(std::memory_order_acquire);
    // A renewal may move the deadline between the look and the verdict: then look again.
    while (until_us != kNotHeld && now_us >= until_us) {
      if (until_us_.compare_exchange_weak(until_us, kNotHeld)) return false;
    }
    return until_us != kNotHeld;
  }

  // Time left; 0 when not safe.
  [[nodiscard]] int64_t SafeForUs(MonoMicros now_us) const {
    if (!IsSafe(now_us)) return 0;
    const MonoMicros until_us = until_us_.load(std::memory_order_acquire);
    return until_us > now_us ? until_us - now_us : 0;
  }

  // A renewal succeeded. Never shortens. False if the lease is lost already.
  bool Extend(MonoMicros until_us, MonoMicros now_us) {
    MonoMicros held_us = until_us_.load(std::memory_order_acquire);
    for (;;) {
      if (held_us == kNotHeld) return false;
      const MonoMicros next_us = now_us >= held_us ? kNotHeld : until_us;
      if (next_us != kNotHeld && next_us <= held_us) return true;
      if (until_us_.compare_exchange_weak(held_us, next_us)) return next_us != kNotHeld;
    }
  }

  void Lose() { until_us_.store(kNotHeld, std::memory_order_release); }
  [[nodiscard]] bool lost() const { return until_us_.load(std::memory_order_acquire) == kNotHeld; }
  [[nodiscard]] MonoMicros until_us() const { return until_us_.load(std::memory_order_acquire); }

  // Not entitled while a Release or Transfer is on its way. Counted, so that the end of one does
  // not make safe what another one has just given up.
  void Suspend() { suspensions_.fetch_add(1, std::memory_order_acq_rel); }
  void Resume() { suspensions_.fetch_sub(1, std::memory_order_acq_rel); }

 private:
  // Before every real time, yet far enough from the type's end to be subtracted from.
  static constexpr MonoMicros kNotHeld = INT64_MIN / 4;

  mutable std::atomic<MonoMicros> until_us_{kNotHeld};
  std::atomic<int> suspensions_{0};
};

}  // namespace cairn::client
