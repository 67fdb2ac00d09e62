#include "adapter/redis/agent_config.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "adapter/redis/discovery/slot_map.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::adapter::redis {
namespace {

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
  AddClusterOptions(table, c);
  table.Text("durability", &c.durability, OneOf({"sync", "async"}),
             "sync: a reply means committed. async: the reply comes first, and the lag is bounded. "
             "Clients may choose for themselves with CAIRN DURABILITY.");
  AddLagOptions(table, c);
}

void AddClientOptions(OptionTable& table, AgentConfig& c) {
  AddDoorOptions(table, c);
  table.Text(
      "discovery", &c.discovery, OneOf({"cluster", "sentinel", "none"}),
      "How clients may look for the primary. cluster: as in a Redis Cluster; replicas answer "
      "MOVED. sentinel: by SENTINEL commands; to clients of one server, each agent is one. "
      "Default: sentinel; cluster for a --cache.");
  table.Text("sentinel-listen", &c.sentinel_listen, CheckHostPort,
             "host:port on which the agent plays Sentinel, also while its data cannot be served.");
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
  RETURN_IF_ERROR(FinishBase(config));
  if (config.discovery != "sentinel" && !config.sentinel_listen.empty()) {
    return Invalid("option sentinel-listen: expected only with option discovery sentinel");
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

absl::StatusOr<AgentInvocation> ParseAgentInvocation(const std::vector<std::string>& argv,
                                                     OptionTable::Environment environment) {
  AgentInvocation invocation;
  OptionTable table({.name = "cairn-agent redis",
                     .about = "cairn-agent redis: makes an unmodified Redis or Valkey durable.",
                     .environment = "CAIRN_AGENT_",
                     .version = CAIRN_VERSION,
                     .footer = kAgentFooter});
  AddCacheOptions(table, invocation.config);
  AddClientOptions(table, invocation.config);
  AddEngineOptions(table, invocation.config);
  AddProcessOptions(table, invocation.config);
  ASSIGN_OR_RETURN(OptionTable::Asked asked, table.Parse(argv, environment));
  invocation.verdict = VerdictOn(std::move(asked));
  if (invocation.verdict.action == AgentVerdict::Action::kPrint) return invocation;
  RETURN_IF_ERROR(Finish(invocation.config));
  return invocation;
}

}  // namespace cairn::adapter::redis
