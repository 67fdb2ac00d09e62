#include "adapter/agent_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "adapter/engine_socket.h"
#include "base/strings.h"

namespace cairn::adapter {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kGiB = uint64_t{1} << 30;

absl::Status Invalid(const std::string& message) {
  return absl::InvalidArgumentError(ToAbsl(message));
}

}  // namespace

const char kAgentFooter[] =
    "Each option --some-name can also be given as CAIRN_AGENT_SOME_NAME in the environment or as\n"
    "some-name in the TOML file; flags win over the environment, which wins over the file.\n"
    "Exit codes: 0 stopped as asked; 1 could not start or go on; 2 wrong configuration; 130 a "
    "second signal while stopping.";

void AddClusterOptions(OptionTable& table, AgentBaseConfig& c) {
  table.Text("endpoints", &c.endpoints, CheckNotEmpty,
             "host:port of some nodes of the cluster, with commas. Default: CAIRN_ENDPOINTS.");
  table.Text(
      "store", &c.store, CheckNotEmpty,
      "file:///DIR or s3://BUCKET/PREFIX of the cache's snapshots (cairn-agent snapshot). Who "
      "begins anew loads the newest one; without a store every record is needed.");
  table.Number("ttl-ms", &c.ttl_ms, OptionUnit::kMillis, 200, 3'600'000,
               "Of the primary's lease: so long after its death another takes over.");
}

void AddLagOptions(OptionTable& table, AgentBaseConfig& c) {
  table.Number("lag-bytes", &c.lag_bytes, OptionUnit::kBytes, kMiB, 4 * kGiB,
               "What may be uncommitted at most; past it no write is taken until it has drained.");
  table.Number("lag-ms", &c.lag_ms, OptionUnit::kMillis, 100, 3'600'000,
               "How old the oldest uncommitted write may be that was answered already.");
  table.Number("hold-timeout-ms", &c.hold_timeout_ms, OptionUnit::kMillis, 100, 3'600'000,
               "How long a reply waits for its commit before the client is told that it is "
               "unknown, or cut.");
}

void AddDoorOptions(OptionTable& table, AgentBaseConfig& c) {
  table.Text("listen", &c.listen, CheckHostPort, "host:port that clients connect to.");
  table.Text("advertise", &c.advertise, CheckHostPort,
             "host:port that clients of other agents are told. Default: --listen.");
  table.Text(
      "tls-cert", &c.tls_cert, CheckNotEmpty,
      "PEM file with the certificate that clients are shown, and its chain. TLS 1.2 or newer. "
      "It is read again when it changes.");
  table.Text("tls-key", &c.tls_key, CheckNotEmpty, "PEM file with its key.");
  table.Text(
      "tls-ca", &c.tls_ca, CheckNotEmpty,
      "PEM file with the authorities of clients' certificates, which clients then must have.");
  table.Text("tls-listen", &c.tls_listen, CheckHostPort,
             "host:port for TLS beside the plain one. Default: --listen is for TLS only.");
  table.Number("io-threads", &c.io_threads, OptionUnit::kCount, 0, 64,
               "Threads that serve clients. 0: one for every two cores, at most 4.");
  table.Number("max-clients", &c.max_clients, OptionUnit::kCount, 1, 1'000'000,
               "Connections of clients; more are turned away.");
}

void AddProcessOptions(OptionTable& table, AgentBaseConfig& c) {
  table.Text("data-dir", &c.data_dir, CheckNotEmpty,
             "Directory of the agent's identity and of its engine; made (mode 0700) when missing. "
             "Required.");
  AddWatchingOptions(table, c);
}

void AddWatchingOptions(OptionTable& table, AgentBaseConfig& c) {
  table.Text("metrics-listen", &c.metrics_listen, CheckHostPort,
             "host:port of the pages /metrics, /healthz and /readyz. Default: none.");
  table.Text("log-level", &c.log_level, OneOf({"trace", "debug", "info", "warn", "error"}),
             "Least severe lines that are logged.");
  table.Text("log-format", &c.log_format, OneOf({"text", "json"}),
             "text for people, json for collectors (one object a line).");
}

absl::Status FinishBase(AgentBaseConfig& config) {
  if (config.data_dir.empty()) {
    return Invalid("option data-dir is required: expected the directory of this agent");
  }
  std::error_code error;
  config.data_dir = std::filesystem::absolute(config.data_dir, error).string();
  if (error) return Invalid(fmt::format("option data-dir: {}", error.message()));
  if (config.advertise.empty()) config.advertise = config.listen;
  if (const std::string wrong = CheckNoWildcard(config.advertise); !wrong.empty()) {
    return Invalid(fmt::format("option advertise is \"{}\": {}", config.advertise, wrong));
  }
  if (config.tls_cert.empty() != config.tls_key.empty()) {
    return Invalid("options tls-cert and tls-key: expected both or none");
  }
  if (config.tls_cert.empty() && !(config.tls_ca.empty() && config.tls_listen.empty())) {
    return Invalid("options tls-ca and tls-listen: expected only with option tls-cert");
  }
  return absl::OkStatus();
}

AgentVerdict VerdictOn(OptionTable::Asked asked) {
  if (!asked.print.empty()) return {AgentVerdict::Action::kPrint, std::move(asked.print)};
  if (asked.check_config) return {AgentVerdict::Action::kCheckConfig, ""};
  return {};
}

// ---- Values -------------------------------------------------------------------------------------

std::string CheckNotEmpty(std::string_view text) { return text.empty() ? "expected a value" : ""; }

std::string CheckEngine(std::string_view text) {
  const auto address = ParseEngineAddress(text);
  return address.ok() ? "" : std::string(ToStd(address.status().message()));
}

std::vector<std::string> SplitNames(std::string_view text) {
  std::vector<std::string> names;
  for (absl::string_view part : absl::StrSplit(ToAbsl(text), ',')) {
    part = absl::StripAsciiWhitespace(part);
    if (!part.empty()) names.emplace_back(ToStd(part));
  }
  return names;
}

std::string CheckNames(std::string_view text) {
  const std::vector<std::string> names = SplitNames(text);
  if (names.empty()) return "expected one or more, with commas";
  for (const std::string& name : names) {
    if (std::count(names.begin(), names.end(), name) > 1) {
      return fmt::format("expected {} once", name);
    }
  }
  return "";
}

std::string CheckCommand(std::string_view text) {
  const auto words = SplitCommand(text);
  if (!words.ok()) return std::string(ToStd(words.status().message()));
  return words->empty() ? "expected a program and its options" : "";
}

ClientOptions ClusterOptions(std::string_view endpoints) {
  ClientOptions options = Client::OptionsFromEnvironment();
  if (endpoints.empty()) return options;
  options.endpoints = SplitNames(endpoints);
  return options;
}

absl::StatusOr<std::vector<std::string>> SplitCommand(std::string_view command) {
  std::vector<std::string> words;
  bool in_word = false;
  char quote = 0;
  for (const char c : command) {
    if (quote != 0 && c == quote) {
      quote = 0;
      continue;
    }
    if (quote == 0 && (c == '"' || c == '\'')) {
      quote = c;
    } else if (quote == 0 && (c == ' ' || c == '\t')) {
      in_word = false;
      continue;
    }
    if (!in_word) words.emplace_back();
    in_word = true;
    if (c != quote) words.back().push_back(c);
  }
  if (quote != 0) return Invalid("expected a quote at the end, too");
  return words;
}

absl::StatusOr<std::string> ReadPasswordFile(const std::string& path) {
  std::ifstream file(path);
  std::string password;
  if (!std::getline(file, password) || password.empty()) {
    return Invalid(fmt::format("no password in the file {}", path));
  }
  return password;
}

}  // namespace cairn::adapter
