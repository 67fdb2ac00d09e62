// AgentStatus and FrontStats: what an agent knows of itself, for those who watch it: metrics,
// /readyz, CAIRN INFO, `cairn-agent status`.
//
// AgentStatus is drawn up by the engine thread several times a second, FrontStats by each io thread
// twice a second; so both are a little late, and never wait for anybody.
//
// Threads: plain values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "adapter/redis/engine_facts.h"
#include "adapter/role.h"
#include "adapter/role_events.h"
#include "base/ids.h"

namespace cairn::adapter::redis {

struct AgentStatus {
  RoleState role = RoleState::kStopped;
  Epoch epoch;
  FrontMode front = FrontMode::kClosed;
  bool log_reachable = false;
  bool engine_ready = false;
  EngineUse engine;

  // Of a primary.
  int64_t lease_margin_us = 0;   // So long it may still answer without another renewal.
  uint64_t in_flight_bytes = 0;  // Came from the engine and are not committed.
  // Of the others: committed records that the engine has not been given.
  uint64_t records_behind = 0;

  // Since the process began.
  uint64_t promotions = 0;
  uint64_t hand_overs = 0;
  uint64_t resyncs = 0;
  uint64_t publisher_failures = 0;
  uint64_t engine_downs = 0;

  // Empty: clients are served, be it with reads only. Else why not.
  [[nodiscard]] std::string NotReady() const;
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
