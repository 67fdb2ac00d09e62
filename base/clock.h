// Clock: the only way that time enters Cairn, so that a test can decide it.
//
// Threads: all implementations may be called from any thread.
#pragma once

#include <cstdint>

namespace cairn {

// A point on a monotonic axis, in microseconds since an arbitrary origin.
// Comparable only with others of the same Clock.
using MonoMicros = int64_t;
// Microseconds since the Unix epoch.
using WallMicros = int64_t;

inline constexpr int64_t kMicrosPerMilli = 1000;
inline constexpr int64_t kMicrosPerSecond = 1'000'000;

class Clock {
 public:
  virtual ~Clock() = default;
  // Never goes back; keeps counting while the machine is suspended
  // (CLOCK_BOOTTIME), because leases do too (design section 6).
  [[nodiscard]] virtual MonoMicros Mono() const = 0;
  // May jump either way.
  [[nodiscard]] virtual WallMicros Wall() const = 0;
};

// The operating system's clocks. Lives for the whole process.
const Clock& SystemClock();

}  // namespace cairn
