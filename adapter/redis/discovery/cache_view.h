// CacheView: which agents a cache has, who of them is the primary, and which slots each of its logs
// serves. What all answers of discovery are made from (cluster_answers.h, sentinel_answers.h).
//
//   log's lease records, presence of agents ──► redis_agent ──CacheView──► front, SentinelServer
//
// It may be late: it says where to ask, never who may answer. An agent that is asked without being
// the primary says so itself.
//
// Threads: plain values. Addresses are "host:port" as clients reach them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "adapter/redis/discovery/key_slot.h"
#include "base/ids.h"

namespace cairn::adapter::redis {

struct AgentView {
  std::string name;      // As hand-overs name it; one life of the process.
  std::string address;   // Of its data.
  std::string sentinel;  // Where it plays Sentinel; empty: on `address`.

  bool operator==(const AgentView&) const = default;
};

// One log, with the agents that serve it.
struct ShardView {
  std::string log;
  SlotRanges slots = {SlotRange()};
  std::string primary_name;     // Of the lease's holder.
  std::string primary_address;  // Empty: none is known.
  Epoch primary_epoch;
  std::vector<AgentView> agents;  // Sorted by address.

  bool operator==(const ShardView&) const = default;
};

// The agent's own shard, which `agents` include itself, and the others.
struct CacheView : ShardView {
  using Agent = AgentView;

  std::vector<ShardView> others;
  // Slots whose calls the primary puts off for a moment, be they its own or not: who serves them is
  // being settled.
  SlotRanges held;
  uint32_t log_replicas = 1;  // How many nodes hold what is committed, for WAIT.

  bool operator==(const CacheView&) const = default;
};

}  // namespace cairn::adapter::redis
