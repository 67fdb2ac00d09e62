// AgentConfig: everything that can be set about an agent of Redis or Valkey.
//
// Sources and precedence are those of option_table.h; the table is in agent_config.cc. How the
// cluster is reached is set as for every client of it (CAIRN_CA_FILE, CAIRN_TOKEN_FILE, …; see
// client.h), but for the endpoints.
//
// Threads: none; plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "adapter/agent_options.h"
#include "base/option_table.h"

namespace cairn::adapter::redis {

struct AgentConfig : AgentBaseConfig {
  AgentConfig() { listen = "127.0.0.1:6379"; }

  // ---- The cache; `log` is, once complete, this agent's own ------------------------------
  std::string cache;    // Of several logs; empty: of the one.
  std::string shard;    // Which of them: "NUMBER/COUNT".
  uint64_t shards = 0;  // The count, read; 0: one log.
  std::string durability = "sync";

  // ---- Clients ----------------------------------------------------------------------------
  std::string discovery;        // Never empty once it is complete.
  std::string sentinel_listen;  // Empty: no port of its own for Sentinel.

  // ---- The engine ---------------------------------------------------------------------------
  std::string engine_cmd = "redis-server";
  bool keep_engine = false;
  std::string engine;  // Not empty: an engine that somebody else runs, there.
  std::string engine_user;
  std::string engine_password_file;
  bool allow_eviction = false;
  bool adopt = false;
};

struct AgentInvocation {
  AgentVerdict verdict;
  AgentConfig config;  // Complete and checked, unless the verdict is to print.
};

// `argv` begins with the first flag. Errors: kInvalidArgument, worded for the operator.
absl::StatusOr<AgentInvocation> ParseAgentInvocation(const std::vector<std::string>& argv,
                                                     OptionTable::Environment environment);

}  // namespace cairn::adapter::redis
