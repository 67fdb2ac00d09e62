// Patience: how long failures that may pass are borne before something is given up.
//
//   Patience patience({.tries = 5, .time_us = 600 * kMicrosPerSecond});
//   … it fails: if (!patience.Bears(now)) give up;  … it succeeds: patience.Reset();
//
// Both bounds have to be reached: one try may itself take longer than the time, and many may fail
// in a moment.
//
// Threads: one. Bounds: constant. Pure: the caller brings the time.
#pragma once

#include <optional>

#include "base/clock.h"

namespace cairn::adapter::redis {

class Patience {
 public:
  struct Limits {
    int tries = 1;        // Failures in a row.
    int64_t time_us = 0;  // From the first of them to the last; 0: they alone count.
  };
  explicit Patience(Limits limits) : limits_(limits) {}

  // One more failure. False: it is over.
  bool Bears(MonoMicros now) {
    if (!since_us_) since_us_ = now;
    ++tries_;
    return tries_ < limits_.tries || now - *since_us_ < limits_.time_us;
  }
  // Something has succeeded, or another thing is tried.
  void Reset() {
    tries_ = 0;
    since_us_.reset();
  }

 private:
  const Limits limits_;
  int tries_ = 0;
  std::optional<MonoMicros> since_us_;  // Of the first failure.
};

}  // namespace cairn::adapter::redis
