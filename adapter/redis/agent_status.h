// RedisStatus and FrontStats: what an agent of Redis knows of itself, for those who watch it:
// metrics, /readyz, CAIRN INFO, `cairn-agent status`.
//
// FrontStats are drawn up by each io thread twice a second; so they are a little late, as
// AgentStatus is, and never wait for anybody.
//
// Threads: plain values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "adapter/agent_status.h"
#include "adapter/redis/engine_facts.h"

namespace cairn::adapter::redis {

struct RedisStatus : AgentStatus {
  EngineUse engine;
};

// How long replies were held, from the moment in which they were in hand.
struct HoldTimes {
  static constexpr std::array<int64_t, 14> kBoundsUs = {
      250,    500,    1'000,   2'000,   4'000,     8'000,     16'000,
      32'000, 64'000, 128'000, 256'000, 1'000'000, 4'000'000, 10'000'000};

  std::array<uint64_t, kBoundsUs.size() + 1> counts{};  // The last: longer than all of them.
  uint64_t sum_us = 0;
};

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
