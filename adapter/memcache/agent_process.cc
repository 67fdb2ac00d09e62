#include "adapter/memcache/agent_process.h"

#include <cstdlib>
#include <memory>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "adapter/agent_process.h"
#include "adapter/memcache/agent_config.h"
#include "adapter/memcache/agent_metrics.h"
#include "adapter/memcache/agent_stats.h"
#include "adapter/memcache/memcache_agent.h"
#include "base/status_macros.h"

namespace cairn::adapter::memcache {
namespace {

const char* Environment(const char* name) { return std::getenv(name); }

absl::StatusOr<MemcacheAgentOptions> OptionsOf(const AgentConfig& config,
                                               const AgentIdentity& identity) {
  MemcacheAgentOptions options;
  options.cluster = ClusterOptions(config.endpoints);
  options.log = config.log;
  options.ring = config.OtherLogs();
  options.lease_ttl = absl::Milliseconds(config.ttl_ms);
  options.agent_id = identity.agent_id();
  options.incarnation = identity.incarnation();
  options.address = config.advertise;
  options.directory = config.data_dir;
  options.local_reads = config.local_reads;
  options.on_miss_view = config.on_miss == "view";
  options.writer.mode = config.mode == "write-behind" ? WriteMode::kBehind : WriteMode::kThrough;
  options.writer.lag_bytes = config.lag_bytes;
  options.writer.lag_us = static_cast<int64_t>(config.lag_ms) * kMicrosPerMilli;
  options.writer.hold_timeout_us = static_cast<int64_t>(config.hold_timeout_ms) * kMicrosPerMilli;
  if (config.engine.empty()) {
    EngineProcessOptions process;
    ASSIGN_OR_RETURN(process.command, SplitCommand(config.engine_cmd));
    process.directory = config.data_dir + "/engine";
    options.engine_process = std::move(process);
  } else {
    ASSIGN_OR_RETURN(options.engine_address, ParseEngineAddress(config.engine));
  }
  if (config.store.empty()) return options;
  ASSIGN_OR_RETURN(options.store, objects::OpenObjectStore(config.store, Environment));
  return options;
}

FrontOptions FrontOptionsOf(const AgentConfig& config, MemcacheAgent* agent) {
  FrontOptions options;
  options.doors = {
      config.listen, {config.tls_cert, config.tls_key, config.tls_ca}, config.tls_listen};
  options.io_threads = static_cast<int>(config.io_threads);
  options.thread.max_clients = config.max_clients;
  options.thread.hold_timeout_us = static_cast<int64_t>(config.hold_timeout_ms) * kMicrosPerMilli;
  options.thread.max_pending_bytes = config.lag_bytes;
  if (!config.peer_tls_ca.empty()) {
    options.thread.peer_tls = {config.tls_cert, config.tls_key, config.peer_tls_ca};
  }
  options.thread.writer.submit = [agent](std::vector<WriteRequest> requests) {
    agent->Submit(std::move(requests));
  };
  options.thread.writer.pending_bytes = [agent] { return agent->pending_bytes(); };
  options.thread.agent_stats = [agent] { return AgentStats(agent->Status()); };
  return options;
}

class HostedMemcacheAgent : public HostedAgent {
 public:
  HostedMemcacheAgent(const AgentConfig& config, MemcacheAgentOptions options,
                      Agent::OnState on_state)
      : config_(config), agent_(std::move(options), &SystemClock(), std::move(on_state)) {}

  absl::Status Start() override {
    ASSIGN_OR_RETURN(front_, Front::Start(FrontOptionsOf(config_, &agent_)));
    return absl::OkStatus();
  }
  absl::Status Run() override { return agent_.Run(front_.get()); }
  void RequestStop() override { agent_.RequestStop(); }
  std::string Metrics() const override { return MetricsText(agent_.Status(), front_->Stats()); }
  std::string NotReady() const override { return agent_.Status().NotReady(); }

 private:
  const AgentConfig& config_;
  MemcacheAgent agent_;
  std::unique_ptr<Front> front_;
};

}  // namespace

int RunAgentProcess(const std::vector<std::string>& argv) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  const absl::StatusOr<AgentInvocation> invocation = ParseAgentInvocation(argv, Environment);
  const AgentInvocation read = invocation.ok() ? *invocation : AgentInvocation();
  const AgentConfig& config = read.config;
  if (const auto settled = SettleInvocation(invocation.status(), read.verdict, config.log)) {
    return *settled;
  }
  return RunAgent(config,
                  [&](const AgentIdentity& identity,
                      Agent::OnState on_state) -> absl::StatusOr<std::unique_ptr<HostedAgent>> {
                    ASSIGN_OR_RETURN(MemcacheAgentOptions options, OptionsOf(config, identity));
                    return std::make_unique<HostedMemcacheAgent>(config, std::move(options),
                                                                 std::move(on_state));
                  });
}

}  // namespace cairn::adapter::memcache
