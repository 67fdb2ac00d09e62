// LogClock: the rule by which a leader chooses log time (design section 5.7).
//
// Log time never decreases, so it cannot simply be wall time. It advances by this node's
// monotonic time since the last entry, and drifts towards wall time by at most one second
// per second: while it is behind it runs at up to double speed, while it is ahead it may
// stand still. A jump of the wall clock is thus smeared, never passed on.
//
// Every replica keeps one, anchored at the last entry it applied (or, as the leader, made),
// so a new leader goes on from its own note. Deterministic. Threads: the group's.
#pragma once

#include <cstdint>
#include <optional>

#include "server/group_events.h"

namespace cairn::server {

class LogClock {
 public:
  // The entry that this node saw at `mono` has the log time `timestamp_us`.
  void Anchor(int64_t timestamp_us, MonoMicros mono) { anchor_ = {timestamp_us, mono}; }
  [[nodiscard]] bool anchored() const { return anchor_.has_value(); }

  // Log time of an entry made at `now`. At or after the anchored one; wall time if the log
  // has no entry yet (anchored at zero).
  // Requires: anchored().
  [[nodiscard]] int64_t Read(TurnTime now) const;

 private:
  struct Point {
    int64_t timestamp_us = 0;
    MonoMicros mono = 0;
  };
  std::optional<Point> anchor_;
};

}  // namespace cairn::server
