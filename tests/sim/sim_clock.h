// SimClock: one node's or client's clocks on the world's single virtual timeline.
//
// A clock has a rate (1.0 ± drift), an arbitrary monotonic origin and a wall offset that
// faults may make jump. Nothing here reads real time.
#pragma once

#include "base/clock.h"

namespace cairn::sim {

// Microseconds of virtual time since the world began.
using SimTime = int64_t;

class SimClock final : public Clock {
 public:
  // `now` is the world's time and outlives the clock.
  explicit SimClock(const SimTime* now) : now_(now) {}

  [[nodiscard]] MonoMicros Mono() const override {
    return origin_ + static_cast<MonoMicros>(static_cast<double>(*now_ - since_) * rate_);
  }
  [[nodiscard]] WallMicros Wall() const override { return *now_ + kEpoch + wall_offset_; }

  void set_origin(MonoMicros origin) { origin_ = origin; }
  // From now on.
  void set_rate(double rate) {
    origin_ = Mono();
    since_ = *now_;
    rate_ = rate;
  }
  void JumpWall(int64_t micros) { wall_offset_ += micros; }
  // How much virtual time passes while this clock shows `micros`.
  [[nodiscard]] SimTime Real(int64_t micros) const {
    return static_cast<SimTime>(static_cast<double>(micros) / rate_) + 1;
  }

 private:
  // Some day in 2026, so that wall times look like wall times.
  static constexpr int64_t kEpoch = 1'790'000'000LL * kMicrosPerSecond;

  const SimTime* now_;
  SimTime since_ = 0;      // The rate is that of `rate_` since then,
  MonoMicros origin_ = 0;  // when the clock showed this.
  double rate_ = 1.0;
  int64_t wall_offset_ = 0;
};

}  // namespace cairn::sim
