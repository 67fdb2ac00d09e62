// WakeTimer: one wake-up that may be moved, over an Executor whose timers cannot be cancelled.
//
// A state machine names the moment at which it wants to be called next; that moment mostly moves
// later (each answer postpones a stall). A timer that is armed for an earlier moment is left
// alone: it fires, finds nothing due, and the owner arms anew. So at most one timer per distinct
// earlier moment is out, typically one.
//
// Threads: the Executor's thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>

#include "client/src/stub.h"

namespace cairn::client {

// "No wake-up wanted."
inline constexpr MonoMicros kNever = INT64_MAX;

class WakeTimer {
 public:
  // `fire` must be safe to run after the owner is gone (hold a weak pointer in it), and must call
  // Fired() first.
  WakeTimer(Executor& executor, std::function<void()> fire)
      : executor_(executor), fire_(std::move(fire)) {}

  void WakeAt(MonoMicros at_us, MonoMicros now_us) {
    if (at_us >= armed_for_us_) return;
    armed_for_us_ = at_us;
    executor_.PostAfter(std::max<int64_t>(at_us - now_us, 0), fire_);
  }

  void Fired() { armed_for_us_ = kNever; }

 private:
  Executor& executor_;
  const std::function<void()> fire_;
  MonoMicros armed_for_us_ = kNever;
};

}  // namespace cairn::client
