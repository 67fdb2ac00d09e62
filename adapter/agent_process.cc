#include "adapter/agent_process.h"

#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cstdio>
#include <thread>
#include <utility>
#include <vector>

#include "adapter/certificate_watch.h"
#include "adapter/metrics_text.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/http_server.h"
#include "base/process_log.h"
#include "base/strings.h"
#include "cairn/error.h"

namespace cairn::adapter {
namespace {

constexpr int kExitOk = 0;
constexpr int kExitFailed = 1;
constexpr int kExitConfig = 2;
constexpr int kExitSecondSignal = 130;

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

// For its clients, and to reach the log.
std::vector<TlsFiles> CertificatesOf(const AgentBaseConfig& config) {
  const TlsOptions cluster = ClusterOptions(config.endpoints).tls;
  return {{config.tls_cert, config.tls_key, config.tls_ca},
          {cluster.certificate_file, cluster.key_file, cluster.ca_file}};
}

// So far an agent may be ahead of its log; what it is, its own page tells.
std::string LagLimits(const AgentBaseConfig& config) {
  MetricsPage page;
  page.Gauge("durability_lag_limit_bytes", "--lag-bytes.", config.lag_bytes);
  page.Gauge("durability_lag_limit_seconds", "--lag-ms.",
             MetricSeconds(static_cast<int64_t>(config.lag_ms) * kMicrosPerMilli));
  return page.Take();
}

// Null: none are asked for.
absl::StatusOr<std::unique_ptr<HttpServer>> StartPages(const AgentBaseConfig& config,
                                                       const HostedAgent& agent,
                                                       const CertificateWatch& certificates) {
  if (config.metrics_listen.empty()) return std::unique_ptr<HttpServer>();
  const auto metrics = [&agent, &certificates, limits = LagLimits(config)] {
    return agent.Metrics() + limits + certificates.Metrics();
  };
  return HttpServer::Start(config.metrics_listen, {.metrics = metrics, .not_ready = [&agent] {
                                                     return agent.NotReady();
                                                   }});
}

}  // namespace

int RunAgent(const AgentBaseConfig& config, const MakeAgent& make) {
  const sigset_t stop = BlockStopSignals();
  SetUpProcessLog("cairn-agent", config.log_level, config.log_format);
  auto identity = AgentIdentity::Open(config.data_dir);
  if (!identity.ok()) return Fail("cannot start", identity.status());
  bool ready = false;
  absl::StatusOr<std::unique_ptr<HostedAgent>> agent =
      make(**identity, [&](RoleState state, Epoch) {
        if (std::exchange(ready, true)) return;
        Say(fmt::format("cairn-agent of {} is ready: listening on {}, {}", config.log,
                        config.listen, Name(state)));
      });
  if (!agent.ok()) return Fail("cannot start", agent.status());
  if (const absl::Status started = (*agent)->Start(); !started.ok()) {
    return Fail("cannot serve", started);
  }
  const CertificateWatch certificates(CertificatesOf(config));
  auto pages = StartPages(config, **agent, certificates);
  if (!pages.ok()) return Fail("cannot serve", pages.status());
  absl::Status ended;
  std::thread engine_thread([&] {
    ended = (*agent)->Run();
    kill(getpid(), SIGUSR1);
  });
  int signal_number = 0;
  sigwait(&stop, &signal_number);
  ExitAtNextSignal(stop);
  if (signal_number != SIGUSR1) {
    spdlog::info("stopping");
    (*agent)->RequestStop();
  }
  engine_thread.join();
  if (GetReason(ended) == Reason::kLogRecreated) {
    spdlog::critical(
        "the log was deleted and made anew, or its cluster was recovered: started "
        "again, this agent serves what the new one has");
  }
  if (!ended.ok()) return Fail("cannot go on", ended);
  Say(fmt::format("cairn-agent of {} has stopped", config.log));
  return kExitOk;
}

std::optional<int> SettleInvocation(const absl::Status& read, const AgentVerdict& verdict,
                                    std::string_view log) {
  if (!read.ok()) {
    fmt::print(stderr, "cairn-agent: {}\n", ToStd(read.message()));
    return kExitConfig;
  }
  switch (verdict.action) {
    case AgentVerdict::Action::kPrint:
      fmt::print("{}\n", verdict.text);
      return kExitOk;
    case AgentVerdict::Action::kCheckConfig:
      fmt::print("the configuration of the agent of {} is fine\n", log);
      return kExitOk;
    case AgentVerdict::Action::kRun:
      return std::nullopt;
  }
  CHECK_UNREACHABLE();
}

}  // namespace cairn::adapter
