#include "adapter/redis/agent_process.h"

#include <cstdlib>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "adapter/agent_identity.h"
#include "adapter/agent_options.h"
#include "adapter/agent_process.h"
#include "adapter/redis/agent_metrics.h"
#include "adapter/redis/redis_agent.h"
#include "base/status_macros.h"

namespace cairn::adapter::redis {
namespace {

// Dump, rehearsal and upload happen between the grant and the first client.
constexpr int64_t kAdoptionPatienceUs = int64_t{24 * 3600} * kMicrosPerSecond;

absl::Status SetEngine(const AgentConfig& config, RedisAgentOptions* options) {
  options->engine_setup.lag_bytes = config.lag_bytes;
  options->engine_setup.sink_password = RandomName();
  options->engine_setup.sync_durability = config.durability == "sync";
  options->engine_setup.allow_eviction = config.allow_eviction;
  if (config.engine.empty()) {
    EngineProcessOptions process;
    ASSIGN_OR_RETURN(process.command, SplitCommand(config.engine_cmd));
    process.directory = config.data_dir + "/engine";
    process.outlives_agent = config.keep_engine;
    options->engine_process = std::move(process);
    return absl::OkStatus();
  }
  options->engine_setup.attached = true;
  ASSIGN_OR_RETURN(options->engine_address, ParseEngineAddress(config.engine));
  options->engine_address.user = config.engine_user;
  if (config.engine_password_file.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(options->engine_address.password, ReadPasswordFile(config.engine_password_file));
  return absl::OkStatus();
}

// Others reach it at the host that clients are told.
std::string SentinelAddress(const AgentConfig& config) {
  if (config.sentinel_listen.empty()) return "";
  const size_t port = config.sentinel_listen.rfind(':');
  return config.advertise.substr(0, config.advertise.rfind(':')) +
         config.sentinel_listen.substr(port);
}

absl::StatusOr<RedisAgentOptions> OptionsOf(const AgentConfig& config,
                                            const AgentIdentity& identity) {
  RedisAgentOptions options;
  options.cluster = ClusterOptions(config.endpoints);
  options.log = config.log;
  options.cache = config.cache;
  options.shards = static_cast<uint32_t>(config.shards);
  options.lease_ttl = absl::Milliseconds(config.ttl_ms);
  options.agent_id = identity.agent_id();
  options.incarnation = identity.incarnation();
  options.address = config.advertise;
  options.sentinel = SentinelAddress(config);
  RETURN_IF_ERROR(SetEngine(config, &options));
  options.directory = config.data_dir;
  ASSIGN_OR_RETURN(options.scratch_command, SplitCommand(config.engine_cmd));
  options.role.adopt = config.adopt;
  if (config.adopt) options.role.taking_patience_us = kAdoptionPatienceUs;
  if (config.store.empty()) return options;
  const auto lookup = [](const char* name) -> const char* { return std::getenv(name); };
  ASSIGN_OR_RETURN(options.store, objects::OpenObjectStore(config.store, lookup));
  return options;
}

class HostedRedisAgent : public HostedAgent {
 public:
  HostedRedisAgent(const AgentConfig& config, RedisAgentOptions options, Agent::OnState on_state,
                   const FrontFactory& start_front)
      : config_(config),
        start_front_(start_front),
        agent_(std::move(options), &SystemClock(), std::move(on_state)) {}

  absl::Status Start() override {
    ASSIGN_OR_RETURN(front_, start_front_(config_, &agent_));
    return absl::OkStatus();
  }
  absl::Status Run() override { return agent_.Run(front_.get()); }
  void RequestStop() override { agent_.RequestStop(); }
  std::string Metrics() const override { return MetricsText(agent_.Status(), front_->Stats()); }
  std::string NotReady() const override { return agent_.Status().NotReady(); }

 private:
  const AgentConfig& config_;
  const FrontFactory& start_front_;
  RedisAgent agent_;
  std::unique_ptr<FrontPort> front_;
};

}  // namespace

int RunAgentProcess(const std::vector<std::string>& argv, const FrontFactory& start_front) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  const absl::StatusOr<AgentInvocation> invocation =
      ParseAgentInvocation(argv, [](const char* name) -> const char* { return std::getenv(name); });
  const AgentInvocation read = invocation.ok() ? *invocation : AgentInvocation();
  const AgentConfig& config = read.config;
  if (const auto settled = SettleInvocation(invocation.status(), read.verdict, config.log)) {
    return *settled;
  }
  return RunAgent(config,
                  [&](const AgentIdentity& identity,
                      Agent::OnState on_state) -> absl::StatusOr<std::unique_ptr<HostedAgent>> {
                    ASSIGN_OR_RETURN(RedisAgentOptions options, OptionsOf(config, identity));
                    return std::make_unique<HostedRedisAgent>(config, std::move(options),
                                                              std::move(on_state), start_front);
                  });
}

}  // namespace cairn::adapter::redis
