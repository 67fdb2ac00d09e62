// ClusterMap: a cache as a Redis Cluster: nodes with ids, and which of them serves a slot.
//
// Each agent is a node, each log with its slots a shard. A node's id is made of the name that the
// agent's data directory has for ever, so it outlives restarts and changes of address.
//
// Threads: immutable. Bounds: those of the view.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "adapter/redis/command_table.h"
#include "adapter/redis/discovery/cache_view.h"
#include "adapter/redis/discovery/slot_map.h"

namespace cairn::adapter::redis {

// A host and a port of "host:port"; an IPv6 host without its brackets.
struct HostPort {
  std::string host;
  uint16_t port = 0;

  bool operator==(const HostPort&) const = default;
};
// {"", 0} for what is none.
HostPort ReadHostPort(std::string_view address);

// 40 hexadecimal digits, of the part of an agent's name that belongs to its data directory.
std::string NodeId(std::string_view agent_name);

// The slots that a call may touch.
struct SlotTouch {
  std::optional<uint32_t> slot;  // Of its keys.
  bool any = false;              // Perhaps others, too: nobody knows.

  [[nodiscard]] bool Of(const SlotRanges& ranges) const;
  bool operator==(const SlotTouch&) const = default;
};

// Where a call goes.
struct SlotRoute {
  // Why it is not served by this node, as an error: MOVED, CROSSSLOT, CLUSTERDOWN; nullopt: it is.
  std::optional<std::string> refusal;
  bool held = false;  // It has to wait; `refusal` says nothing yet.
  SlotTouch touch;
};

class ClusterMap {
 public:
  struct Node {
    std::string id;
    std::string address;
    HostPort at;
    bool primary = false;
    bool self = false;
  };
  struct Shard {
    std::string log;
    std::string id;
    SlotRanges slots;
    Epoch epoch;
    std::vector<Node> nodes;  // The primary first, if one is known.

    [[nodiscard]] const Node* primary() const {
      return !nodes.empty() && nodes.front().primary ? &nodes.front() : nullptr;
    }
  };

  // `own_address` is among the view's agents, or counts as one more.
  ClusterMap(const CacheView& view, std::string_view own_address);

  // By their first slots; those without any are the last.
  [[nodiscard]] const std::vector<Shard>& shards() const { return shards_; }
  [[nodiscard]] const Shard& own_shard() const { return shards_[own_shard_]; }
  [[nodiscard]] const Node& self() const;
  // Null: nobody serves it.
  [[nodiscard]] const Shard* Find(uint32_t slot) const;

  // Of a call. `plan` is of `argv`; `is_primary` of this agent at the moment; `read_only`: the
  // client takes what a replica has.
  [[nodiscard]] SlotRoute Route(std::span<const std::string_view> argv, const CommandPlan& plan,
                                bool is_primary, bool read_only) const;
  // Of calls that were routed before, as writes.
  [[nodiscard]] SlotRoute RouteAgain(SlotTouch touch, bool is_primary) const;
  // The error that sends a client of this slot to that log's primary.
  [[nodiscard]] std::string MovedTo(uint32_t slot, std::string_view log) const;

 private:
  [[nodiscard]] std::string MovedTo(uint32_t slot, const Shard& shard) const;
  [[nodiscard]] SlotRoute RouteWithoutKeys(const CommandPlan& plan, bool is_primary) const;
  [[nodiscard]] SlotRoute RouteTo(SlotTouch touch, bool is_primary, bool any_replica) const;

  std::vector<Shard> shards_;
  std::vector<uint16_t> owners_;  // Of each slot: its place in shards_.
  size_t own_shard_ = 0;
  SlotRanges held_;
};

}  // namespace cairn::adapter::redis
