// RedisStatus and FrontStats: what an agent of Redis knows of itself, for those who watch it:
// metrics, /readyz, CAIRN INFO, `cairn-agent status`.
//
// FrontStats are drawn up by each io thread twice a second; so they are a little late, as
// AgentStatus is, and never wait for anybody.
//
// Threads: plain values.
#pragma once

#include <cstddef>
#include <cstdint>

#include "adapter/agent_status.h"
#include "adapter/delay_counts.h"
#include "adapter/redis/engine_facts.h"

namespace cairn::adapter::redis {

// Moves of slots (resharding/slot_keeper.h), since the process began.
struct SlotCounts {
  uint64_t moves_in = 0;  // Of slots that came to this agent's log.
  uint64_t moves_out = 0;
  uint64_t withdrawn = 0;  // Cuts that took too long, as their source.
  uint64_t keys_copied = 0;
  uint64_t bytes_copied = 0;
  int64_t held_us = 0;  // So long calls waited for moves, as their source.
};

struct RedisStatus : AgentStatus {
  EngineUse engine;
  SlotCounts slots;
};

// How long replies were held, from the moment in which they were in hand.
using HoldTimes = DelayCounts;

// Of all io threads.
struct FrontStats {
  uint64_t clients = 0;
  uint64_t requests = 0;        // Since the process began.
  uint64_t writes_refused = 0;  // The same; before they reached the engine.
  uint64_t clients_cut = 0;     // The same; by the agent, with replies due or for good reason.
  uint64_t backends = 0;        // Connections to the engine.
  uint64_t held_replies = 0;
  uint64_t held_bytes = 0;
  uint64_t lag_bytes = 0;  // Of the log behind the engine.
  int64_t lag_us = 0;
  HoldTimes held;
};

}  // namespace cairn::adapter::redis
