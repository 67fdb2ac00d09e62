// Lines of clients that go to the engine as they mean, but not as they are: written anew, so that
// the engine cannot read them in another way than the parser did, short, and never quiet.
//
// Threads: none; pure functions.
#pragma once

#include <optional>
#include <string>

#include "adapter/memcache/effect.h"
#include "adapter/memcache/request.h"

namespace cairn::adapter::memcache {

// `mg` without its line end; the time of its flag T is absolute, as of `now`.
std::string MetaGetLine(const Request& request, UnixSeconds now);

}  // namespace cairn::adapter::memcache
