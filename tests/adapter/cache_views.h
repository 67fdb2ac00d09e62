// Views of caches for tests of discovery.
#pragma once

#include "adapter/redis/discovery/cache_view.h"

namespace cairn::adapter::redis {

inline AgentView Agent(const std::string& id, const std::string& address) {
  return {.name = id + "/life@" + address, .address = address, .sentinel = ""};
}

// One log, three agents on ports 1 … 3; the second is the primary.
inline CacheView ViewOfOneLog() {
  CacheView view;
  view.log = "cache";
  view.primary_name = "b/life/1@10.0.0.1:2";
  view.primary_address = "10.0.0.1:2";
  view.primary_epoch = Epoch(7);
  view.agents = {Agent("a", "10.0.0.1:1"), Agent("b", "10.0.0.1:2"), Agent("c", "10.0.0.1:3")};
  return view;
}

// Three logs with an agent each, on ports 1 … 3; as the agent of the second sees them.
inline CacheView ViewOfThreeLogs() {
  const auto shard = [](const std::string& id, const std::string& address, SlotRange slots) {
    ShardView view;
    view.log = "cache/" + id;
    view.slots = {slots};
    view.primary_name = id + "/life/1@" + address;
    view.primary_address = address;
    view.primary_epoch = Epoch(4);
    view.agents = {Agent(id, address)};
    return view;
  };
  CacheView view;
  static_cast<ShardView&>(view) = shard("2", "10.0.0.1:2", {5461, 10922});
  view.others = {shard("1", "10.0.0.1:1", {0, 5460}), shard("3", "10.0.0.1:3", {10923, 16383})};
  return view;
}

}  // namespace cairn::adapter::redis
