// AgentStatus: what any engine's agent knows of itself, for those who watch it: metrics, /readyz,
// status commands.
//
// The engine thread draws it up several times a second; so it is a little late, and never waits
// for anybody.
//
// Threads: plain values.
#pragma once

#include <cstdint>
#include <string>

#include "adapter/delay_counts.h"
#include "adapter/role.h"
#include "adapter/role_events.h"
#include "base/ids.h"

namespace cairn::adapter {

struct AgentStatus {
  RoleState role = RoleState::kStopped;
  Epoch epoch;
  FrontMode front = FrontMode::kClosed;
  bool log_reachable = false;
  bool engine_ready = false;
  bool engine_too_old = false;  // The log has records of a newer one: it is not fed any further.
  size_t known_agents = 0;      // Of this cache, this one included.

  // Of a primary.
  int64_t lease_margin_us = 0;   // So long it may still answer without another renewal.
  uint64_t in_flight_bytes = 0;  // Took effect, or is about to, and is not committed.
  // Of the others: committed records that the engine has not been given.
  uint64_t records_behind = 0;

  // Since the process began.
  DelayCounts published;  // Of records, from TryAppend of the publisher to their commit.
  uint64_t promotions = 0;
  uint64_t hand_overs = 0;
  uint64_t resyncs = 0;
  uint64_t publisher_failures = 0;
  uint64_t engine_downs = 0;

  // Empty: clients are served, be it with reads only. Else why not.
  [[nodiscard]] std::string NotReady() const;
};

}  // namespace cairn::adapter
