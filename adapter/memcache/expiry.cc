#include "adapter/memcache/expiry.h"

#include <algorithm>
#include <limits>

namespace cairn::adapter::memcache {

UnixSeconds ExpiresAt(int32_t exptime, UnixSeconds now) {
  if (exptime < 0) return kExpired;
  if (exptime == 0) return 0;
  return exptime > kMaxRelativeSeconds ? exptime : now + exptime;
}

std::string ExptimeText(UnixSeconds expires_at, UnixSeconds now) {
  if (expires_at == 0) return "0";
  // Also what would read as relative.
  if (expires_at <= now || expires_at <= kMaxRelativeSeconds) return "-1";
  constexpr UnixSeconds kLast = std::numeric_limits<int32_t>::max();
  return std::to_string(std::min(expires_at, kLast));
}

UnixSeconds FlushDueAt(int32_t exptime, const EngineClock& clock) {
  if (exptime <= 0) return clock.now;
  if (exptime <= kMaxRelativeSeconds) return clock.now + exptime - 1;
  // Counted from the engine's start this is nothing, and nothing is what it stands for.
  if (exptime <= clock.started) return 0;
  return exptime - 1;
}

}  // namespace cairn::adapter::memcache
