// Agents: which agents of caches there are, as the log tells (docs/discovery.md).
//
// An agent of cache C holds a lease in the log `C.agents`, whose name is the address where clients
// reach it; the primary of C holds the lease "primary" of C's own log, in whose holder stands the
// same address behind an '@'. What an agent has made safe outside of the log is its registered
// snapshots.
//
// Pure functions of what the logs say; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cairn/v1/log.pb.h"
#include "server/console/cluster_view.h"
#include "server/console/json_views.h"

namespace cairn::console {

// The cache whose agents meet in that log; nullopt: it is none of these.
std::optional<std::string> CacheOf(std::string_view log);

// One cache: its agents with their roles, and what its log keeps safe. `described` is the cache's
// log, `agents` the one beside it; `log` says how far its replicas are, null: unknown.
Json CacheJson(const v1::DescribeLogResponse& described, const v1::DescribeLogResponse& agents,
               const LogView* log);

}  // namespace cairn::console
