// EngineSetup: what the agent sets, checks and learns each time its engine comes up.
//
// Every setting has a row with its reason in the table of engine_setup.cc; they are the ones that
// the agent's `CONFIG SET` for clients guards (GuardedSettings()). Nothing is written to the
// engine's configuration file.
//
// Errors: kFailedPrecondition when the engine must not be used as it is, with what the operator can
// do; others of engine_link.h.
// Threads: the engine thread (engine_socket.h).
#pragma once

#include <asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "adapter/redis/command_table.h"
#include "adapter/redis/engine_facts.h"
#include "adapter/redis/engine_link.h"

namespace cairn::adapter::redis {

struct EngineSetupOptions {
  // So much of the stream may be uncommitted at most.
  uint64_t lag_bytes = uint64_t{64} << 20;
  // What the engine gives its primary, which is this agent's sink.
  std::string sink_password;
  // Replies mean committed: then an eviction, which nobody has committed yet, must not happen.
  bool sync_durability = true;
  bool allow_eviction = false;  // The operator insists.
  // Somebody else runs the engine, and may have let others in.
  bool attached = false;
};

struct EngineSetup {
  CommandTable commands;
  // What the engine takes from one client; the front must not pass more on.
  uint64_t max_bulk_bytes = 0;
  uint64_t max_query_buffer_bytes = 0;
  uint64_t max_clients = 0;
  // What an operator should know, a line each.
  std::vector<std::string> alarms;
};

// The oldest that is known to work.
inline constexpr uint64_t kOldestEngineVersion = 6'002'000;

asio::awaitable<absl::StatusOr<EngineSetup>> SetUpEngine(EngineLink* link, EngineFacts facts,
                                                         EngineSetupOptions options,
                                                         Millis timeout);

// The settings that the agent answers for: lower-case names, in order.
std::vector<std::string_view> GuardedSettings();

// The clients of a CLIENT LIST that are none of `own_ids`, nor a replica or primary: their lines.
std::vector<std::string> FindStrangers(std::string_view client_list,
                                       std::span<const uint64_t> own_ids);

// "normal 0 0 0 slave 268435456 67108864 60 pubsub …": the hard limit for replicas; 0 is none.
std::optional<uint64_t> ReplicaOutputLimit(std::string_view limits);

}  // namespace cairn::adapter::redis
