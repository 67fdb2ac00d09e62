// EngineFacts: what an engine says of itself in INFO: which one it is, and where it stands.
//
// `run_id` names one life of a process: another one at the next look means that the memory is not
// what it was, even if the address is. `replid` and `offset` are the place in its stream.
//
// A primary that never had a replica counts no offset: it stays at 0 whatever is written, and its
// replid changes when the first one comes.
#pragma once

#include <asio/awaitable.hpp>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "adapter/redis/engine_link.h"
#include "adapter/role_events.h"

namespace cairn::adapter::redis {

// What the engine has and does; of no consequence for the agent.
struct EngineUse {
  uint64_t memory_bytes = 0;
  uint64_t evicted_keys = 0;
  uint64_t hits = 0;
  uint64_t misses = 0;
};

struct EngineFacts {
  std::string kind;  // "redis" or "valkey".
  std::string version;
  // The version as a number that can be compared: 7.0.15 is 7'000'015.
  uint64_t version_number = 0;
  std::string run_id;
  int64_t pid = 0;
  bool loading = false;   // A dump is being read; most commands are refused.
  bool has_data = false;  // Keys or functions.

  bool primary = false;
  std::string replid;
  StreamOffset offset;
  // The history before the last promotion, and the last offset of it that was taken over.
  std::string former_replid;
  StreamOffset former_end;

  // Of a replica.
  bool link_up = false;
  std::string primary_host;
  uint16_t primary_port = 0;

  EngineUse use;

  [[nodiscard]] StreamPlace place() const { return {replid, offset}; }
};

// Errors: kInvalidArgument, naming the field.
absl::StatusOr<EngineFacts> ParseEngineFacts(std::string_view info);

asio::awaitable<absl::StatusOr<EngineFacts>> ObserveEngine(EngineLink* link, Millis timeout);

}  // namespace cairn::adapter::redis
