// EngineFacts: what a memcached says of itself: which process it is, its limits and its use.
//
// Threads: none; plain values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/memcache/expiry.h"
#include "adapter/memcache/item_size.h"

namespace cairn::adapter::memcache {

// Of `stats`.
struct EngineUse {
  uint64_t items = 0;
  uint64_t memory_bytes = 0;        // Of items.
  uint64_t memory_limit_bytes = 0;  // 0: not told.
  uint64_t evictions = 0;           // Since its start, like hits and misses.
  uint64_t hits = 0;                // get_hits
  uint64_t misses = 0;              // get_misses
  uint64_t connections = 0;
};

struct EngineFacts {
  std::string version;  // "1.6.18".
  uint64_t pid = 0;
  EngineClock clock;  // As of the look.
  EngineUse use;
  // Of `stats settings`.
  ItemSizeRule item_size;
  bool cas_enabled = false;

  // Names this life of the engine's memory.
  [[nodiscard]] std::string Life() const;
  // It knows the meta flag E: a client's command says which CAS an item gets.
  [[nodiscard]] bool takes_cas() const;
};

// Reads the reply to `stats`; item_size and cas_enabled stay as they are.
// Errors: kUnavailable, saying what is missing.
absl::Status ReadStats(std::string_view reply, EngineFacts* facts);
// Reads the reply to `stats settings`. Errors: the same; kFailedPrecondition for an engine that
// cannot be used, saying why.
absl::Status ReadSettings(std::string_view reply, EngineFacts* facts);

}  // namespace cairn::adapter::memcache
