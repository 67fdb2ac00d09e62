// TrashClock: when removed groups may really be deleted.
//
// When one was removed is kept by the wall clock, the only one that outlives a restart. It may have
// been wrong then, or be wrong now: so nothing is deleted for a while after a start, nor for the
// whole time that groups are kept after the clock has jumped forward.
//
// Threads: one at a time (the storage thread).
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/clock.h"

namespace cairn::storage {

class TrashClock {
 public:
  // What the two clocks may part between two looks.
  static constexpr int64_t kJumpUs = 60 * kMicrosPerSecond;
  static constexpr int64_t kPauseAfterStartUs = 3600 * kMicrosPerSecond;

  // Groups are kept for `keep_us`.
  explicit TrashClock(int64_t keep_us) : keep_us_(keep_us) {}

  // At each turn. A jump is what happens between two looks; small corrections that add up while a
  // node does nothing for weeks may seem to be one, and then groups are kept for longer.
  void Look(MonoMicros mono, WallMicros wall) {
    const int64_t offset = wall - mono;
    if (!offset_us_) quiet_until_ = mono + std::min(keep_us_, kPauseAfterStartUs);
    if (offset_us_ && offset - *offset_us_ > kJumpUs) quiet_until_ = mono + keep_us_;
    offset_us_ = offset;
    mono_ = mono;
    wall_ = wall;
  }
  // As of the last look: a group that was removed at `removed_at` may go.
  [[nodiscard]] bool IsOver(WallMicros removed_at) const {
    return mono_ >= quiet_until_ && wall_ - removed_at >= keep_us_;
  }

 private:
  const int64_t keep_us_;
  std::optional<int64_t> offset_us_;  // Wall less monotonic time.
  MonoMicros quiet_until_ = 0;
  MonoMicros mono_ = 0;
  WallMicros wall_ = 0;
};

}  // namespace cairn::storage
