// What the agents of all engines, and the tools beside them, have in common in their options.
//
// AgentBaseConfig and the functions that put its options into a table; checks of values; which
// cluster is meant. Sources and precedence are those of base/option_table.h.
//
// Checks return "" or what was expected, as base/option_table.h wants it.
// Threads: any; pure, but for the environment that ClusterOptions reads.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/option_table.h"
#include "cairn/client.h"

namespace cairn::adapter {

struct AgentBaseConfig {
  // ---- The cache --------------------------------------------------------------------------
  std::string log;
  std::string endpoints;  // Of the cluster; empty: CAIRN_ENDPOINTS.
  std::string store;      // Of snapshots; empty: none.
  uint64_t ttl_ms = 2000;
  uint64_t lag_bytes = uint64_t{64} << 20;
  uint64_t lag_ms = 10'000;
  uint64_t hold_timeout_ms = 10'000;

  // ---- Clients ----------------------------------------------------------------------------
  std::string listen;
  std::string advertise;  // Never empty once it is complete.
  std::string tls_cert;   // Not empty: clients use TLS.
  std::string tls_key;
  std::string tls_ca;      // Not empty: they must show a certificate.
  std::string tls_listen;  // Empty: `listen` is for TLS.
  uint64_t io_threads = 0;
  uint64_t max_clients = 10'000;

  // ---- The process --------------------------------------------------------------------------
  std::string data_dir;
  std::string metrics_listen;  // Empty: no pages.
  std::string log_level = "info";
  std::string log_format = "text";
};

// Of the help.
extern const char kAgentFooter[];

void AddClusterOptions(OptionTable& table, AgentBaseConfig& config);
void AddLagOptions(OptionTable& table, AgentBaseConfig& config);
void AddDoorOptions(OptionTable& table, AgentBaseConfig& config);
// Its directory, and AddWatchingOptions.
void AddProcessOptions(OptionTable& table, AgentBaseConfig& config);
// Metrics' pages and the log, of any process that goes on.
void AddWatchingOptions(OptionTable& table, AgentBaseConfig& config);
// Fills in what follows from the rest. Errors: kInvalidArgument, worded for the operator.
absl::Status FinishBase(AgentBaseConfig& config);

// What a command line asks for.
struct AgentVerdict {
  enum class Action : uint8_t { kRun, kCheckConfig, kPrint };
  Action action = Action::kRun;
  std::string text;  // Of kPrint: help or version.
};
AgentVerdict VerdictOn(OptionTable::Asked asked);

std::string CheckNotEmpty(std::string_view text);
// One or more, with commas, each once.
std::string CheckNames(std::string_view text);
std::vector<std::string> SplitNames(std::string_view text);
// unix:PATH or HOST:PORT.
std::string CheckEngine(std::string_view text);
// A program and its options (SplitCommand).
std::string CheckCommand(std::string_view text);

// As the environment says, but for the endpoints if there are any: host:port, with commas.
ClientOptions ClusterOptions(std::string_view endpoints);

// Words of a command; blanks separate, quotes of both kinds keep together.
absl::StatusOr<std::vector<std::string>> SplitCommand(std::string_view command);

// The first line of the file. Errors: kInvalidArgument.
absl::StatusOr<std::string> ReadPasswordFile(const std::string& path);

}  // namespace cairn::adapter
