// cairnd: the process of one node. Reads the configuration, starts the node and its servers,
// and stops them in order.
//
// Signals: SIGTERM and SIGINT are blocked in every thread and taken by the main thread with
//   sigtimedwait, so that nothing ever runs in a handler. The first one drains and exits 0; a
//   second one exits at once. SIGPIPE is ignored: a closed connection is an error of a write.
// Output: one line on stdout when the node takes requests, and one when it stops; the log goes
//   to stderr.
// Repair: a node that found damage on its disk stops in order and starts itself again, with the
//   same arguments, in the same process.
// `--check-data DIR` looks at a directory instead (runtime/check_data.h), and `--recover-data …`
//   makes a new one of it (runtime/recover_data.h): exit code 0, or 1 if it could not.
// Exit codes: 0 stopped as asked; 1 could not start or go on; 2 the configuration is wrong;
//   130 a second signal.
#include <fmt/format.h>
#include <malloc.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/check.h"
#include "base/descriptors.h"
#include "base/http_server.h"
#include "base/process_log.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/tls_context.h"
#include "server/console/console.h"
#include "server/rpc/rpc_server.h"
#include "server/runtime/check_data.h"
#include "server/runtime/config.h"
#include "server/runtime/node.h"
#include "server/runtime/recover_data.h"

namespace cairn {
namespace {

constexpr int kExitOk = 0;
constexpr int kExitFailed = 1;
constexpr int kExitConfig = 2;
constexpr int kExitSecondSignal = 130;
// No exit code: everything is closed, and the process begins anew.
constexpr int kStartAgain = -1;
// How often the main thread looks whether the node is ready or has failed.
constexpr long kLookEveryNs = 100'000'000;
// What visitors without a certificate are told.
constexpr char kCertificateWanted[] =
    "this page is for visitors with a certificate, and none was shown: expected one that an "
    "authority in the file of option http-tls-ca-file has signed. /healthz and /readyz need none";
// For calls that are under way when the node has stopped: they have been answered.
constexpr int64_t kRpcShutdownMs = 1000;

// By itself the allocator makes eight arenas a core, and what one thread frees into its arena no
// other can use: under a steady load resident memory grew for as long as it was watched, by a half,
// while what was allocated did not.
void KeepMemoryTogether() {
  constexpr unsigned kFewest = 2;
  // (Another allocator, a sanitizer's for one, does not know it and needs it not.)
  mallopt(M_ARENA_MAX, static_cast<int>(std::max(kFewest, std::thread::hardware_concurrency())));
}

// The signals that stop the process. Blocked before the first thread is made, so that all
// threads inherit the mask.
sigset_t BlockStopSignals() {
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigaddset(&stop, SIGINT);
  CHECK_EQ(pthread_sigmask(SIG_BLOCK, &stop, nullptr), 0);
  CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
  return stop;
}

// Waits for a signal in a thread of its own while the main thread stops the node.
void ExitAtNextSignal(const sigset_t& stop) {
  std::thread([stop] {
    int signal_number = 0;
    sigwait(&stop, &signal_number);
    _exit(kExitSecondSignal);
  }).detach();
}

void SayReady(const server::Node& node) {
  const server::NodeConfig& config = node.config();
  fmt::print(
      "cairnd {} is ready: listening on {}{}\n", config.name, config.listen,
      config.http_listen.empty()
          ? ""
          : fmt::format(", {} on {}", config.http_tls ? "https" : "http", config.http_listen));
  std::fflush(stdout);
}

enum class Ending : uint8_t { kAsked, kFailed, kRepair };

// Runs until a stop signal, until the node fails, or until it has to start again.
Ending Supervise(const server::Node& node, rpc::RpcServer& rpc, const sigset_t& stop) {
  const timespec pause = {.tv_sec = 0, .tv_nsec = kLookEveryNs};
  bool serving = false;
  bool announced = false;
  while (true) {
    const bool ready = node.NotReady().empty();
    if (ready != serving) rpc.SetServing(serving = ready);
    if (ready && !std::exchange(announced, true)) SayReady(node);
    rpc.ReviewStreams();
    if (!node.Failure().ok()) return Ending::kFailed;
    if (node.WantsRestart()) return Ending::kRepair;
    if (sigtimedwait(&stop, nullptr, &pause) > 0) return Ending::kAsked;
  }
}

// By which people reach this node: the addresses it was told of, and those that were added.
std::vector<std::string> ConsoleNames(const server::NodeConfig& config) {
  std::vector<std::string> names = config.console_hosts;
  names.insert(names.end(), {config.listen, config.advertise, config.http_listen});
  for (const server::InitialMember& member : config.initial_cluster) {
    names.push_back(member.address);
  }
  return names;
}

// The server owns the console, and goes before `rpc` does.
absl::StatusOr<std::unique_ptr<HttpServer>> StartHttp(server::Node& node, rpc::RpcServer& rpc) {
  const server::NodeConfig& config = node.config();
  if (config.http_listen.empty()) return std::unique_ptr<HttpServer>();
  auto console = std::make_shared<console::Console>(
      rpc.LocalChannel(), [&rpc](const std::string& address) { return rpc.ChannelTo(address); },
      ConsoleNames(config));
  HttpPages pages{
      .metrics = [&node] { return node.MetricsText(); },
      .not_ready = [&node] { return node.NotReady(); },
      .other = [console](const HttpRequest& request) { return console->Answer(request); }};
  if (config.http_tls) {
    ASSIGN_OR_RETURN(pages.tls, TlsCredentials::Read({.certificate = config.tls_cert_file,
                                                      .key = config.tls_key_file,
                                                      .ca = config.http_tls_ca_file},
                                                     PeerCertificate::kRequested));
  }
  if (!config.http_tls_ca_file.empty()) pages.certificate_wanted = kCertificateWanted;
  return HttpServer::Start(config.http_listen, std::move(pages));
}

int Fail(std::string_view what, const absl::Status& status) {
  spdlog::critical("{}: {}", what, ToStd(status.message()));
  return kExitFailed;
}

// Does not return unless it fails. What is open here is closed by the exec.
int StartAgain(char** argv) {
  spdlog::warn("starting again, to rebuild the database");
  execv("/proc/self/exe", argv);
  return Fail("cannot start again", absl::UnavailableError(ToAbsl(std::strerror(errno))));
}

int Run(server::NodeConfig config) {
  const sigset_t stop = BlockStopSignals();
  SetUpProcessLog("cairnd", config.log_level, config.log_format);
  server::Node node(std::move(config));
  if (absl::Status started = node.Start(); !started.ok()) return Fail("cannot start", started);
  auto rpc = rpc::RpcServer::Start(&node);
  if (!rpc.ok()) return Fail("cannot serve", rpc.status());
  auto http = StartHttp(node, **rpc);
  if (!http.ok()) return Fail("cannot serve pages", http.status());

  const Ending ending = Supervise(node, **rpc, stop);
  spdlog::info("stopping");
  ExitAtNextSignal(stop);
  (*rpc)->SetServing(false);
  if (ending != Ending::kFailed) node.Drain(node.config().drain_timeout_ms);
  (*rpc)->EndStreams();
  http->reset();
  node.Stop();
  (*rpc)->Shutdown(kRpcShutdownMs);
  if (ending == Ending::kFailed) return Fail("cannot go on", node.Failure());
  if (ending == Ending::kRepair) return kStartAgain;
  fmt::print("cairnd {} has stopped\n", node.config().name);
  return kExitOk;
}

int Main(int argc, char** argv) {
  OccupyStandardStreams(argv);
  RaiseDescriptorLimit();
  KeepMemoryTogether();
  // Debian builds abseil with the checks of a debug build: every lock, gRPC's too, would pass
  // a process-wide graph of locks. The thread sanitizer looks for cycles in our tests.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  if (argc > 1 && std::string_view(argv[1]) == "--recover-data") {
    return server::RecoverData({argv + 2, argv + argc}) ? kExitOk : kExitFailed;
  }
  absl::StatusOr<server::Invocation> invocation = server::ParseInvocation(
      argc, argv, [](const char* name) -> const char* { return std::getenv(name); });
  if (!invocation.ok()) {
    fmt::print(stderr, "cairnd: {}\n", ToStd(invocation.status().message()));
    return kExitConfig;
  }
  switch (invocation->action) {
    case server::Invocation::Action::kPrint:
      fmt::print("{}\n", invocation->text);
      return kExitOk;
    case server::Invocation::Action::kCheckConfig:
      fmt::print("the configuration of {} is fine\n", invocation->config.name);
      return kExitOk;
    case server::Invocation::Action::kCheckData:
      return server::CheckData(invocation->text) ? kExitOk : kExitFailed;
    case server::Invocation::Action::kRun: {
      const int code = Run(std::move(invocation->config));
      return code == kStartAgain ? StartAgain(argv) : code;
    }
  }
  CHECK_UNREACHABLE();
}

}  // namespace
}  // namespace cairn

int main(int argc, char** argv) { return cairn::Main(argc, argv); }
