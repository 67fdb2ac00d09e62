// FrontFacts: what all io threads of the front act by, as the agent last said. Replaced as a whole.
//
// Threads: immutable, shared.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "adapter/engine_socket.h"
#include "adapter/lease_guard.h"
#include "adapter/memcache/cas_token.h"
#include "adapter/memcache/item_size.h"
#include "adapter/role_events.h"
#include "base/ids.h"

namespace cairn::adapter::memcache {

struct FrontFacts {
  FrontMode mode = FrontMode::kClosed;
  // Of kPrimary, kPausing and kHolding: under which lease, with whose tokens.
  Epoch epoch;
  std::shared_ptr<LeaseGuard> lease;
  CasTokens tokens = CasTokens::Plain();

  std::optional<EngineAddress> engine;  // While it answers.
  uint64_t engine_life = 0;             // Changes with each engine.
  ItemSizeRule item_size;

  // Where requests go that are not for this agent; empty: nobody knows, or it is this agent.
  std::string primary;
  // A primary's misses are looked up in the view, by the writer.
  bool on_miss_view = false;
  // Standbys answer reads.
  bool local_reads = false;
  // Addresses of clients' doors, one for each log of the cache, and what changes with them.
  std::vector<std::string> doors;
  uint64_t doors_version = 0;

  [[nodiscard]] bool reigns() const {
    return mode == FrontMode::kPrimary || mode == FrontMode::kPausing;
  }
};

}  // namespace cairn::adapter::memcache
