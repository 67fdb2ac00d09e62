// AgentConfig: everything that can be set about an agent of memcached.
//
// Sources and precedence are those of option_table.h; the table is in agent_config.cc and in
// agent_options.cc.
//
// Threads: none; plain values.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "adapter/agent_options.h"
#include "base/option_table.h"

namespace cairn::adapter::memcache {

struct AgentConfig : AgentBaseConfig {
  AgentConfig() { listen = "127.0.0.1:11211"; }

  std::string ring;
  std::string mode = "write-through";
  std::string on_miss = "miss";
  bool local_reads = false;
  std::string peer_tls_ca;  // Of a TLS-only door; never empty there once it is complete.
  std::string engine_cmd = "memcached";
  std::string engine;  // Not empty: an engine that somebody else runs, there.

  // The logs of `ring` other than `log`.
  [[nodiscard]] std::vector<std::string> OtherLogs() const;
};

struct AgentInvocation {
  AgentVerdict verdict;
  AgentConfig config;  // Complete and checked, unless the verdict is to print.
};

// `argv` begins with the first flag. Errors: kInvalidArgument, worded for the operator.
absl::StatusOr<AgentInvocation> ParseAgentInvocation(const std::vector<std::string>& argv,
                                                     OptionTable::Environment environment);

}  // namespace cairn::adapter::memcache
