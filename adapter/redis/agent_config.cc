#include "adapter/redis/agent_config.h"

#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>

#include "adapter/engine_socket.h"
#include "adapter/redis/common_options.h"
#include "adapter/redis/discovery/slot_map.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::adapter::redis {
namespace {

constexpr uint64_t kKiB = 1024;
constexpr uint64_t kMiB = 1024 * kKiB;
constexpr uint64_t kGiB = 1024 * kMiB;

constexpr char kFooter[] =
    "Each option --some-name can also be given as CAIRN_AGENT_SOME_NAME in the environment or as\n"
    "some-name in the TOML file; flags win over the environment, which wins over the file.\n"
    "Exit codes: 0 stopped as asked; 1 could not start or go on; 2 wrong configuration; 130 a "
    "second signal while stopping.";

absl::Status Invalid(const std::string& message) {
  return absl::InvalidArgumentError(ToAbsl(message));
}

struct Shard {
  uint32_t number = 0;
  uint32_t count = 0;
};

// "2/3"; nullopt for what is none.
std::optional<Shard> ReadShard(std::string_view text) {
  Shard shard;
  const char* const end = text.data() + text.size();
  const auto number = std::from_chars(text.data(), end, shard.number);
  if (number.ec != std::errc() || number.ptr == end || *number.ptr != '/') return std::nullopt;
  const auto count = std::from_chars(number.ptr + 1, end, shard.count);
  const bool whole = count.ec == std::errc() && count.ptr == end;
  const bool within = shard.number >= 1 && shard.number <= shard.count && shard.count <= kMaxShards;
  return whole && within ? std::optional(shard) : std::nullopt;
}

std::string CheckShard(std::string_view text) {
  return ReadShard(text) ? "" : "expected NUMBER/COUNT, as in 1/3";
}

void AddCacheOptions(OptionTable& table, AgentConfig& c) {
  table.Text("log", &c.log, CheckNotEmpty,
             "The cache's log; made when there is none. The same for all agents of a cache. "
             "Required, unless --cache is given.");
  table.Text("cache", &c.cache, CheckNotEmpty,
             "A cache of several logs, in place of --log: each has its share of the keys, as in a "
             "Redis Cluster, and agents of its own.");
  table.Text("shard", &c.shard, CheckShard,
             "NUMBER/COUNT: which of the logs of --cache this agent serves, and how many there "
             "are; the count is fixed when the first agent starts.");
  table.Text("endpoints", &c.endpoints, CheckNotEmpty,
             "host:port of some nodes of the cluster, with commas. Default: CAIRN_ENDPOINTS.");
  table.Text(
      "store", &c.store, CheckNotEmpty,
      "file:///DIR or s3://BUCKET/PREFIX of the cache's snapshots (cairn-agent snapshot). An "
      "engine that begins anew loads the newest one; without a store it needs every record.");
  table.Text("durability", &c.durability, OneOf({"sync", "async"}),
             "sync: a reply means committed. async: the reply comes first, and the lag is bounded. "
             "Clients may choose for themselves with CAIRN DURABILITY.");
  table.Number("ttl-ms", &c.ttl_ms, OptionUnit::kMillis, 200, 3'600'000,
               "Of the primary's lease: so long after its death another takes over.");
  table.Number("lag-bytes", &c.lag_bytes, OptionUnit::kBytes, kMiB, 4 * kGiB,
               "What may be uncommitted at most; past it writes are refused until it has drained.");
  table.Number("lag-ms", &c.lag_ms, OptionUnit::kMillis, 100, 3'600'000,
               "How old the oldest uncommitted write of the async mode may be.");
  table.Number("hold-timeout-ms", &c.hold_timeout_ms, OptionUnit::kMillis, 100, 3'600'000,
               "How long a reply waits for its commit before the client is cut.");
}

void AddClientOptions(OptionTable& table, AgentConfig& c) {
  table.Text("listen", &c.listen, CheckHostPort, "host:port that clients connect to.");
  table.Text("advertise", &c.advertise, CheckHostPort,
             "host:port that clients of other agents are told. Default: --listen.");
  table.Text(
      "discovery", &c.discovery, OneOf({"cluster", "sentinel", "none"}),
      "How clients may look for the primary. cluster: as in a Redis Cluster; replicas answer "
      "MOVED. sentinel: by SENTINEL commands; to clients of one server, each agent is one. "
      "Default: sentinel; cluster for a --cache.");
  table.Text("sentinel-listen", &c.sentinel_listen, CheckHostPort,
             "host:port on which the agent plays Sentinel, also while its data cannot be served.");
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
               "Threads that serve clients. 0: one per core, at most 4.");
  table.Number("max-clients", &c.max_clients, OptionUnit::kCount, 1, 1'000'000,
               "Connections of clients; more are turned away.");
}

void AddEngineOptions(OptionTable& table, AgentConfig& c) {
  table.Text("engine-cmd", &c.engine_cmd, CheckCommand,
             "Command of the engine that the agent starts and looks after.");
  table.Switch("keep-engine", &c.keep_engine,
               "The engine lives on when the agent ends, and the next one finds it with its "
               "memory.");
  table.Text("engine", &c.engine, CheckEngine,
             "unix:PATH or HOST:PORT of an engine that somebody else runs, in place of "
             "--engine-cmd.");
  table.Text("engine-user", &c.engine_user, CheckNotEmpty,
             "As whom the agent logs in there. Default: the default user.");
  table.Text("engine-password-file", &c.engine_password_file, CheckNotEmpty,
             "File with the password for it.");
  table.Switch(
      "adopt", &c.adopt,
      "The engine's data become those of the log, which must have none. With --store. To be "
      "left out again at the next start.");
  table.Switch("allow-eviction", &c.allow_eviction,
               "Accept an engine that evicts keys: an eviction that is not committed may come "
               "back.");
}

void AddProcessOptions(OptionTable& table, AgentConfig& c) {
  table.Text("data-dir", &c.data_dir, CheckNotEmpty,
             "Directory of the agent's identity and of its engine; made (mode 0700) when missing. "
             "Required.");
  table.Text("metrics-listen", &c.metrics_listen, CheckHostPort,
             "host:port of the pages /metrics, /healthz and /readyz. Default: none.");
  table.Text("log-level", &c.log_level, OneOf({"trace", "debug", "info", "warn", "error"}),
             "Least severe lines that are logged.");
  table.Text("log-format", &c.log_format, OneOf({"text", "json"}),
             "text for people, json for collectors (one object a line).");
}

// A cache is one log, or several with slots.
absl::Status FinishCache(AgentConfig& config) {
  if (config.cache.empty() != config.shard.empty()) {
    return Invalid("options cache and shard: expected both or none");
  }
  if (config.cache.empty()) {
    if (config.log.empty()) return Invalid("option log is required: expected the cache's log");
    if (config.discovery.empty()) config.discovery = "sentinel";
    return absl::OkStatus();
  }
  if (!config.log.empty()) return Invalid("options log and cache: expected one of them");
  if (!config.discovery.empty() && config.discovery != "cluster") {
    return Invalid("option discovery: a cache of several logs can only be found as a cluster");
  }
  const std::optional<Shard> shard = ReadShard(config.shard);
  config.discovery = "cluster";
  config.log = ShardLog(config.cache, shard->number);
  config.shards = shard->count;
  return absl::OkStatus();
}

absl::Status Finish(AgentConfig& config) {
  RETURN_IF_ERROR(FinishCache(config));
  if (config.data_dir.empty()) {
    return Invalid("option data-dir is required: expected the directory of this agent");
  }
  std::error_code error;
  config.data_dir = std::filesystem::absolute(config.data_dir, error).string();
  if (error) return Invalid(fmt::format("option data-dir: {}", error.message()));
  if (config.advertise.empty()) config.advertise = config.listen;
  for (const char* wildcard : {"0.0.0.0:", "[::]:"}) {
    if (!config.advertise.starts_with(wildcard)) continue;
    return Invalid(
        fmt::format("option advertise is \"{}\": expected an address that others can "
                    "connect to, not a wildcard",
                    config.advertise));
  }
  if (config.discovery != "sentinel" && !config.sentinel_listen.empty()) {
    return Invalid("option sentinel-listen: expected only with option discovery sentinel");
  }
  if (config.tls_cert.empty() != config.tls_key.empty()) {
    return Invalid("options tls-cert and tls-key: expected both or none");
  }
  if (config.tls_cert.empty() && !(config.tls_ca.empty() && config.tls_listen.empty())) {
    return Invalid("options tls-ca and tls-listen: expected only with option tls-cert");
  }
  if (config.adopt && config.store.empty()) {
    return Invalid("option adopt: expected only with option store");
  }
  if (config.engine.empty() && !config.engine_password_file.empty()) {
    return Invalid("option engine-password-file: expected only with option engine");
  }
  return absl::OkStatus();
}

}  // namespace

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

absl::StatusOr<AgentInvocation> ParseAgentInvocation(const std::vector<std::string>& argv,
                                                     OptionTable::Environment environment) {
  AgentInvocation invocation;
  OptionTable table({.name = "cairn-agent redis",
                     .about = "cairn-agent redis: makes an unmodified Redis or Valkey durable.",
                     .environment = "CAIRN_AGENT_",
                     .version = CAIRN_VERSION,
                     .footer = kFooter});
  AddCacheOptions(table, invocation.config);
  AddClientOptions(table, invocation.config);
  AddEngineOptions(table, invocation.config);
  AddProcessOptions(table, invocation.config);
  ASSIGN_OR_RETURN(OptionTable::Asked asked, table.Parse(argv, environment));
  if (!asked.print.empty()) {
    invocation.action = AgentInvocation::Action::kPrint;
    invocation.text = std::move(asked.print);
    return invocation;
  }
  RETURN_IF_ERROR(Finish(invocation.config));
  if (asked.check_config) invocation.action = AgentInvocation::Action::kCheckConfig;
  return invocation;
}

}  // namespace cairn::adapter::redis
