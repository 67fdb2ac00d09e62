// MemcacheStatus: what an agent of memcached knows of itself, for those who watch it.
//
// Threads: plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "adapter/agent_status.h"
#include "adapter/memcache/engine_facts.h"

namespace cairn::adapter::memcache {

struct MemcacheStatus : AgentStatus {
  EngineUse engine;
  std::string primary;              // Address of whoever has the lease; empty: nobody.
  std::string mode;                 // As --mode.
  std::vector<std::string> agents;  // Addresses, this one's among them.
  int64_t lag_us = 0;               // Age of the oldest change that is not committed.
  uint64_t refused = 0;             // Changes, since the log takes no records.
  uint64_t refills_refused = 0;     // Items that the engine had no room to take back.
  uint64_t stores_refused = 0;      // Changes that are done, and that it had no room for.
  uint64_t pending_bytes = 0;       // Changes that clients wait for.
  uint64_t view_seq = 0;            // The view is the fold of the log through there.
  uint64_t view_items = 0;          // Roughly.
  uint64_t view_disk_bytes = 0;
};

}  // namespace cairn::adapter::memcache
