// What an agent of memcached tells of itself by `stats cairn`, in memcached's own form, so that any
// client can ask: who is the primary, how far others are behind, who else there is.
//
//   STAT role primary          takes writes; `replica` for all others
//   STAT state primary         of role.h
//   STAT epoch 12              and `primary`: the address of whoever has it
//   STAT ready yes             or why clients are not served
//   STAT mode write-through
//   STAT lag_bytes 0           and `lag_ms`: of changes that are not committed
//   STAT records_behind 0      of a standby: committed, and not given to its engine
//   STAT log up                and `engine`
//   STAT engine_items 5        and `engine_memory_bytes`, `view_seq`, `view_items`
//   STAT agent 10.0.0.5:11211  each agent of this cache
//   END
//
// Threads: none; pure functions.
#pragma once

#include <string>
#include <string_view>

#include "adapter/agent_answer.h"
#include "adapter/memcache/memcache_status.h"

namespace cairn::adapter::memcache {

inline constexpr std::string_view kAgentStatsRequest = "stats cairn";

std::string AgentStats(const MemcacheStatus& status);
// False: it is no such answer.
bool ReadAgentStats(std::string_view text, AgentAnswer* answer);

}  // namespace cairn::adapter::memcache
