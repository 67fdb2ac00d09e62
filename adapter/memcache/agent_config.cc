#include "adapter/memcache/agent_config.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"

namespace cairn::adapter::memcache {
namespace {

void AddOptions(OptionTable& table, AgentConfig& c) {
  table.Text("log", &c.log, CheckNotEmpty,
             "The cache's log; made when there is none. The same for all agents of a cache. "
             "Required.");
  table.Text("ring", &c.ring, CheckNames,
             "All logs of a cache of several, with commas, --log among them: clients that discover "
             "the cache find one node for each. Default: --log is all.");
  AddClusterOptions(table, c);
  table.Text("mode", &c.mode, OneOf({"write-through", "write-behind"}),
             "write-through: a reply means committed, and nothing is readable before. "
             "write-behind: the reply comes first, and the log follows within bounds.");
  AddLagOptions(table, c);
  table.Text("on-miss", &c.on_miss, OneOf({"miss", "view"}),
             "What becomes of an item that the engine has not. miss: it is gone, as when memcached "
             "evicts it. view: the agent brings it back from its view of the log on the disk.");
  table.Switch("local-reads", &c.local_reads,
               "Standbys answer reads from their own engine, a little late, in place of asking "
               "the primary.");
  AddDoorOptions(table, c);
  table.Text(
      "peer-tls-ca", &c.peer_tls_ca, CheckNotEmpty,
      "PEM file with the authorities of the other agents' certificates, for a standby that "
      "forwards where --listen is for TLS only. Default: --tls-ca, or else --tls-cert, which "
      "does where all agents show the same certificate and it has signed itself.");
  table.Text("engine-cmd", &c.engine_cmd, CheckCommand,
             "Command of the memcached that the agent starts and looks after.");
  table.Text("engine", &c.engine, CheckEngine,
             "unix:PATH or HOST:PORT of a memcached that somebody else runs, in place of "
             "--engine-cmd. Nobody but the agent may change its items.");
  AddProcessOptions(table, c);
}

absl::Status CheckRing(const AgentConfig& config) {
  const std::vector<std::string> logs = SplitNames(config.ring);
  if (logs.empty() || std::find(logs.begin(), logs.end(), config.log) != logs.end()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError("option ring: expected the log of --log among its logs");
}

absl::Status FinishPeerTls(AgentConfig& config) {
  const bool only_tls = !config.tls_cert.empty() && config.tls_listen.empty();
  if (!only_tls && !config.peer_tls_ca.empty()) {
    return absl::InvalidArgumentError(
        "option peer-tls-ca: expected only with tls-cert and without tls-listen: else standbys "
        "forward to the plain port");
  }
  if (!only_tls || !config.peer_tls_ca.empty()) return absl::OkStatus();
  config.peer_tls_ca = config.tls_ca.empty() ? config.tls_cert : config.tls_ca;
  return absl::OkStatus();
}

}  // namespace

std::vector<std::string> AgentConfig::OtherLogs() const {
  std::vector<std::string> others = SplitNames(ring);
  std::erase(others, log);
  return others;
}

absl::StatusOr<AgentInvocation> ParseAgentInvocation(const std::vector<std::string>& argv,
                                                     OptionTable::Environment environment) {
  AgentInvocation invocation;
  OptionTable table({.name = "cairn-agent memcached",
                     .about = "cairn-agent memcached: makes an unmodified memcached durable.",
                     .environment = "CAIRN_AGENT_",
                     .version = CAIRN_VERSION,
                     .footer = kAgentFooter});
  AddOptions(table, invocation.config);
  ASSIGN_OR_RETURN(OptionTable::Asked asked, table.Parse(argv, environment));
  invocation.verdict = VerdictOn(std::move(asked));
  if (invocation.verdict.action == AgentVerdict::Action::kPrint) return invocation;
  if (invocation.config.log.empty()) {
    return absl::InvalidArgumentError("option log is required: expected the cache's log");
  }
  RETURN_IF_ERROR(CheckRing(invocation.config));
  RETURN_IF_ERROR(FinishBase(invocation.config));
  RETURN_IF_ERROR(FinishPeerTls(invocation.config));
  return invocation;
}

}  // namespace cairn::adapter::memcache
