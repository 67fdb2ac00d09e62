// power_node: cairnd on a disk that forgets what was not synced when the power fails.
//
//   power_node SEED BOOT_ID CAIRND_FLAGS…
//
// SIGUSR1 cuts the power: after a few more changes to the disk nothing succeeds any more, then
// the unsynced bytes are lost (all, some sectors, or torn; SEED decides), and the process is
// gone with status 0. SIGTERM stops it as it stops cairnd. BOOT_ID stands for the run of the
// kernel, which is another one after a power cut.
//
// A write that fails makes the node abort, as it must. Here the thread that aborts waits for
// ever instead, since the loss is still to be done; a dead machine would answer nobody either.
#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/check.h"
#include "base/http_server.h"
#include "base/random.h"
#include "base/strings.h"
#include "server/rpc/rpc_server.h"
#include "server/runtime/config.h"
#include "server/runtime/node.h"
#include "storage/rocks_hooks.h"
#include "tests/support/lossy_fs.h"

namespace cairn::integration {
namespace {

using testing::Loss;
using testing::LossyFs;

constexpr uint64_t kMaxChangesBeforeCut = 60;
// A disk that is idle has nothing to lose: then the cut comes by itself.
constexpr absl::Duration kCutAnyway = absl::Milliseconds(200);

void WaitForEver(int) {
  while (true) pause();
}

[[noreturn]] void CutPower(LossyFs& disk, Random& random) {
  disk.CutAfter(random.Below(kMaxChangesBeforeCut));
  const absl::Time anyway = absl::Now() + kCutAnyway;
  while (disk.cut_at().empty() && absl::Now() < anyway) absl::SleepFor(absl::Milliseconds(1));
  disk.CutAfter(0);
  constexpr Loss kLosses[] = {Loss::kAll, Loss::kSectors, Loss::kSectors, Loss::kFlipped};
  disk.Lose(kLosses[random.Below(std::size(kLosses))], random);
  _exit(0);
}

int Fail(std::string_view what, const absl::Status& status) {
  fmt::print(stderr, "power_node: {}: {}\n", what, ToStd(status.message()));
  return 1;
}

int Run(server::NodeConfig config, uint64_t seed, std::string boot_id, const sigset_t& signals) {
  const auto disk = std::make_shared<LossyFs>(rocksdb::FileSystem::Default());
  const storage::RocksHooks hooks{.file_system = disk};
  server::Node node(std::move(config), {.store_hooks = &hooks, .boot_id = std::move(boot_id)});
  if (absl::Status started = node.Start(); !started.ok()) return Fail("cannot start", started);
  auto rpc = rpc::RpcServer::Start(&node);
  if (!rpc.ok()) return Fail("cannot serve", rpc.status());
  auto http = HttpServer::Start(node.config().http_listen,
                                {.metrics = [&node] { return node.MetricsText(); },
                                 .not_ready = [&node] { return node.NotReady(); }});
  if (!http.ok()) return Fail("cannot serve pages", http.status());

  int signal_number = 0;
  CHECK_EQ(sigwait(&signals, &signal_number), 0);
  if (signal_number == SIGUSR1) {
    Random random(seed);
    CutPower(*disk, random);
  }
  node.Drain(node.config().drain_timeout_ms);
  (*rpc)->EndStreams();
  http->reset();
  node.Stop();
  (*rpc)->Shutdown(/*timeout_ms=*/1000);
  return 0;
}

int Main(int argc, char** argv) {
  CHECK_GE(argc, 3);
  const uint64_t seed = std::strtoull(argv[1], nullptr, 10);
  const std::string boot_id = argv[2];
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGUSR1);
  sigaddset(&signals, SIGTERM);
  CHECK_EQ(pthread_sigmask(SIG_BLOCK, &signals, nullptr), 0);
  CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
  CHECK(signal(SIGABRT, WaitForEver) != SIG_ERR);
  auto invocation = server::ParseInvocation(argc - 2, argv + 2,
                                            [](const char*) -> const char* { return nullptr; });
  if (!invocation.ok()) return Fail("configuration", invocation.status());
  return Run(std::move(invocation->config), seed, boot_id, signals);
}

}  // namespace
}  // namespace cairn::integration

int main(int argc, char** argv) { return cairn::integration::Main(argc, argv); }
