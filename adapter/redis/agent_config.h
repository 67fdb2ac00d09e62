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
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/option_table.h"

namespace cairn::adapter::redis {

struct AgentConfig {
  // ---- The cache --------------------------------------------------------------------------
  std::string log;        // Complete: of a cache of several logs, this agent's own.
  std::string cache;      // Of several logs; empty: of the one above.
  std::string shard;      // Which of them: "NUMBER/COUNT".
  uint64_t shards = 0;    // The count, read; 0: one log.
  std::string endpoints;  // Of the cluster; empty: CAIRN_ENDPOINTS.
  std::string store;      // Of snapshots; empty: none.
  std::string durability = "sync";
  uint64_t ttl_ms = 2000;
  uint64_t lag_bytes = uint64_t{64} << 20;
  uint64_t lag_ms = 10'000;
  uint64_t hold_timeout_ms = 10'000;

  // ---- Clients ----------------------------------------------------------------------------
  std::string listen = "127.0.0.1:6379";
  std::string advertise;        // Empty: `listen`.
  std::string discovery;        // Never empty once it is complete.
  std::string sentinel_listen;  // Empty: no port of its own for Sentinel.
  std::string tls_cert;         // Not empty: clients use TLS.
  std::string tls_key;
  std::string tls_ca;      // Not empty: they must show a certificate.
  std::string tls_listen;  // Empty: `listen` is for TLS.
  uint64_t io_threads = 0;
  uint64_t max_clients = 10'000;

  // ---- The engine ---------------------------------------------------------------------------
  std::string engine_cmd = "redis-server";
  bool keep_engine = false;
  std::string engine;  // Not empty: an engine that somebody else runs, there.
  std::string engine_user;
  std::string engine_password_file;
  bool allow_eviction = false;
  bool adopt = false;

  // ---- The process --------------------------------------------------------------------------
  std::string data_dir;
  std::string metrics_listen;  // Empty: no pages.
  std::string log_level = "info";
  std::string log_format = "text";
};

struct AgentInvocation {
  enum class Action : uint8_t { kRun, kCheckConfig, kPrint };
  Action action = Action::kRun;
  AgentConfig config;  // Complete and checked, unless kPrint.
  std::string text;    // Of kPrint: help or version.
};

// `argv` begins with the first flag. Errors: kInvalidArgument, worded for the operator.
absl::StatusOr<AgentInvocation> ParseAgentInvocation(const std::vector<std::string>& argv,
                                                     OptionTable::Environment environment);

// Words of a command; blanks separate, quotes of both kinds keep together.
absl::StatusOr<std::vector<std::string>> SplitCommand(std::string_view command);

// The first line of the file. Errors: kInvalidArgument.
absl::StatusOr<std::string> ReadPasswordFile(const std::string& path);

}  // namespace cairn::adapter::redis
