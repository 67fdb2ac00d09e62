// Expiry times: from what clients write to seconds since 1970, and into the engine's commands.
//
// A client writes 0 for never, below 0 for "has expired", up to 30 days for so many seconds from
// now, and above that the time itself. All is 32 bits wide and counted in whole seconds of the
// engine's clock, which runs from the engine's start by the monotonic clock and may lag the wall
// clock by a second.
//
// Threads: none; pure functions.
#pragma once

#include <cstdint>
#include <string>

#include "adapter/memcache/effect.h"

namespace cairn::adapter::memcache {

inline constexpr int32_t kMaxRelativeSeconds = 60 * 60 * 24 * 30;
// What has expired always, for an item that shall be gone.
inline constexpr UnixSeconds kExpired = 1;

// The engine's idea of the time; see `time` and `uptime` of its `stats`.
struct EngineClock {
  UnixSeconds now = 0;
  // Where its own count begins. An absolute time before it is "long ago" to it; 0: not known.
  UnixSeconds started = 0;
};

// When an item with this exptime expires; 0: never. kExpired or a time that is past: at once.
UnixSeconds ExpiresAt(int32_t exptime, UnixSeconds now);

// The exptime to write to the engine so that the item expires then: absolute, or "0", or "-1" if
// the time is past. Beyond 2038 memcached has no numbers: the last one it has.
std::string ExptimeText(UnixSeconds expires_at, UnixSeconds now);

// flush_all with an exptime: when all items of that moment go. now or earlier: at once.
// nullopt-like 0: never, and a pending one is taken back (an absolute time before the engine's
// start, which it reads as "none").
UnixSeconds FlushDueAt(int32_t exptime, const EngineClock& clock);

}  // namespace cairn::adapter::memcache
