#include "adapter/redis/agent_process.h"

#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "adapter/agent_identity.h"
#include "adapter/redis/agent_metrics.h"
#include "adapter/redis/common_options.h"
#include "adapter/redis/redis_agent.h"
#include "base/check.h"
#include "base/http_server.h"
#include "base/process_log.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::adapter::redis {
namespace {

constexpr int kExitOk = 0;
constexpr int kExitFailed = 1;
constexpr int kExitConfig = 2;
constexpr int kExitSecondSignal = 130;
// Dump, rehearsal and upload happen between the grant and the first client.
constexpr int64_t kAdoptionPatienceUs = int64_t{24 * 3600} * kMicrosPerSecond;

sigset_t BlockStopSignals() {
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigaddset(&stop, SIGINT);
  // Sent by this process to itself, when the agent ends by itself.
  sigaddset(&stop, SIGUSR1);
  CHECK_EQ(pthread_sigmask(SIG_BLOCK, &stop, nullptr), 0);
  CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
  return stop;
}

int Fail(std::string_view what, const absl::Status& status) {
  spdlog::critical("{}: {}", what, ToStd(status.message()));
  return kExitFailed;
}

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
  ASSIGN_OR_RETURN(options.store, OpenSnapshotStore(config.store, lookup));
  return options;
}

void Say(const std::string& line) {
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

// Waits for a signal in a thread of its own while the agent stops.
void ExitAtNextSignal(const sigset_t& stop) {
  std::thread([stop] {
    int signal_number = 0;
    do {
      sigwait(&stop, &signal_number);
    } while (signal_number == SIGUSR1);
    _exit(kExitSecondSignal);
  }).detach();
}

// Null: none are asked for.
absl::StatusOr<std::unique_ptr<HttpServer>> StartPages(const AgentConfig& config,
                                                       const RedisAgent& agent,
                                                       const FrontPort& front) {
  if (config.metrics_listen.empty()) return std::unique_ptr<HttpServer>();
  return HttpServer::Start(
      config.metrics_listen,
      {.metrics = [&agent, &front] { return MetricsText(agent.Status(), front.Stats()); },
       .not_ready = [&agent] { return agent.Status().NotReady(); }});
}

int Run(const AgentConfig& config, const FrontFactory& start_front) {
  const sigset_t stop = BlockStopSignals();
  SetUpProcessLog("cairn-agent", config.log_level, config.log_format);
  auto identity = AgentIdentity::Open(config.data_dir);
  if (!identity.ok()) return Fail("cannot start", identity.status());
  absl::StatusOr<RedisAgentOptions> options = OptionsOf(config, **identity);
  if (!options.ok()) return Fail("cannot start", options.status());
  bool ready = false;
  RedisAgent agent(*std::move(options), &SystemClock(), [&](RoleState state, Epoch) {
    if (std::exchange(ready, true)) return;
    Say(fmt::format("cairn-agent of {} is ready: listening on {}, {}", config.log, config.listen,
                    Name(state)));
  });
  auto front = start_front(config, &agent);
  if (!front.ok()) return Fail("cannot serve", front.status());
  auto pages = StartPages(config, agent, **front);
  if (!pages.ok()) {
    (*front)->Stop();
    return Fail("cannot serve", pages.status());
  }
  absl::Status ended;
  std::thread engine_thread([&] {
    ended = agent.Run(front->get());
    kill(getpid(), SIGUSR1);
  });
  int signal_number = 0;
  sigwait(&stop, &signal_number);
  ExitAtNextSignal(stop);
  if (signal_number != SIGUSR1) {
    spdlog::info("stopping");
    agent.RequestStop();
  }
  engine_thread.join();
  if (!ended.ok()) return Fail("cannot go on", ended);
  Say(fmt::format("cairn-agent of {} has stopped", config.log));
  return kExitOk;
}

}  // namespace

int RunAgentProcess(int argc, const char* const* argv, const FrontFactory& start_front) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  std::vector<std::string> words(argv + 1, argv + argc);
  const bool only_version = words.size() == 1 && words[0] == "--version";
  if (!only_version) {
    if (words.empty() || words[0] != "redis") {
      fmt::print(stderr, "cairn-agent: there is no command '{}': cairn-agent --help\n",
                 words.empty() ? "" : words[0]);
      return kExitConfig;
    }
    words.erase(words.begin());
  }
  absl::StatusOr<AgentInvocation> invocation = ParseAgentInvocation(
      words, [](const char* name) -> const char* { return std::getenv(name); });
  if (!invocation.ok()) {
    fmt::print(stderr, "cairn-agent: {}\n", ToStd(invocation.status().message()));
    return kExitConfig;
  }
  switch (invocation->action) {
    case AgentInvocation::Action::kPrint:
      fmt::print("{}\n", invocation->text);
      return kExitOk;
    case AgentInvocation::Action::kCheckConfig:
      fmt::print("the configuration of the agent of {} is fine\n", invocation->config.log);
      return kExitOk;
    case AgentInvocation::Action::kRun:
      return Run(invocation->config, start_front);
  }
  CHECK_UNREACHABLE();
}

}  // namespace cairn::adapter::redis
