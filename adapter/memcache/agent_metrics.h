// The page /metrics of an agent of memcached.
#pragma once

#include <string>

#include "adapter/memcache/front/front_counters.h"
#include "adapter/memcache/memcache_status.h"

namespace cairn::adapter::memcache {

std::string MetricsText(const MemcacheStatus& agent, const FrontStats& front);

}  // namespace cairn::adapter::memcache
