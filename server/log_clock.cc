#include "server/log_clock.h"

#include <algorithm>

#include "base/check.h"

namespace cairn::server {

int64_t LogClock::Read(TurnTime now) const {
  CHECK(anchored());
  if (anchor_->timestamp_us == 0) return std::max<int64_t>(now.wall, 0);
  // prev + elapsed + clamp(wall - (prev + elapsed), -elapsed, elapsed), shortened.
  const int64_t elapsed_us = std::max<int64_t>(now.mono - anchor_->mono, 0);
  return std::clamp(now.wall, anchor_->timestamp_us, anchor_->timestamp_us + 2 * elapsed_us);
}

}  // namespace cairn::server
