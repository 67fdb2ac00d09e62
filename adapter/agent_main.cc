// cairn-agent: makes an unmodified Redis, Valkey or memcached durable, one process per engine
// (`redis`, `memcached`), and works on caches and their logs (`status`, `snapshot`, …).
#include <fmt/format.h>

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "adapter/memcache/agent_process.h"
#include "adapter/memcache/invalidate_command.h"
#include "adapter/redis/adopt_command.h"
#include "adapter/redis/agent_process.h"
#include "adapter/redis/front/front.h"
#include "adapter/redis/resharding/reshard_command.h"
#include "adapter/restore_command.h"
#include "adapter/snapshot_command.h"
#include "adapter/status_command.h"
#include "base/clock.h"
#include "base/descriptors.h"

namespace cairn::adapter {
namespace {

absl::StatusOr<std::unique_ptr<redis::FrontPort>> StartFront(const redis::AgentConfig& config,
                                                             redis::FrontHost* host) {
  redis::FrontOptions options;
  options.listen = config.listen;
  options.advertise = config.advertise;
  options.tls = {config.tls_cert, config.tls_key, config.tls_ca};
  options.tls_listen = config.tls_listen;
  options.io_threads = static_cast<int>(config.io_threads);
  options.max_clients = config.max_clients;
  options.durability =
      config.durability == "sync" ? redis::Durability::kSync : redis::Durability::kAsync;
  options.hold_timeout_us = static_cast<int64_t>(config.hold_timeout_ms) * kMicrosPerMilli;
  options.lag.max_us = static_cast<int64_t>(config.lag_ms) * kMicrosPerMilli;
  options.lag.max_bytes = config.lag_bytes;
  if (config.discovery == "cluster") options.discovery = redis::Discovery::kCluster;
  if (config.discovery == "none") options.discovery = redis::Discovery::kNone;
  options.sentinel_listen = config.sentinel_listen;
  absl::StatusOr<std::unique_ptr<redis::Front>> front =
      redis::Front::Start(std::move(options), host);
  if (!front.ok()) return front.status();
  return std::unique_ptr<redis::FrontPort>(*std::move(front));
}

struct Tool {
  std::string_view name;
  int (*run)(const std::vector<std::string>& argv);
};
int RunRedis(const std::vector<std::string>& argv) {
  return redis::RunAgentProcess(argv, StartFront);
}
constexpr std::array kTools = {
    Tool{"redis", RunRedis},
    Tool{"memcached", memcache::RunAgentProcess},
    Tool{"snapshot", RunSnapshotCommand},
    Tool{"restore", RunRestoreCommand},
    Tool{"invalidate", memcache::RunInvalidateCommand},
    Tool{"adopt", redis::RunAdoptCommand},
    Tool{"reshard", redis::RunReshardCommand},
    Tool{"status", RunStatusCommand},
};

constexpr int kExitConfig = 2;
constexpr char kUsage[] =
    "cairn-agent COMMAND --help\n"
    "  redis      makes a Redis or Valkey durable: one agent beside each\n"
    "  memcached  makes a memcached durable: one agent beside each\n"
    "  snapshot   takes a snapshot of a cache, once or as often as asked\n"
    "  restore    builds a cache as of any kept record or moment\n"
    "  invalidate deletes in other pools what changes in memcached caches\n"
    "  adopt      a live Redis becomes a cache, and an agent takes its place\n"
    "  reshard    moves slots between the logs of a cache\n"
    "  status     how a cache's agents are\n";

}  // namespace
}  // namespace cairn::adapter

int main(int argc, char** argv) {
  namespace adapter = cairn::adapter;
  cairn::OccupyStandardStreams(argv);
  cairn::RaiseDescriptorLimit();
  const std::vector<std::string> words(argv + 1, argv + argc);
  const std::string_view command = words.empty() ? "--help" : std::string_view(words.front());
  if (command == "--help" || command == "-h") {
    fmt::print("{}", adapter::kUsage);
    return words.empty() ? adapter::kExitConfig : 0;
  }
  if (command == "--version" && words.size() == 1) return adapter::RunRedis(words);
  for (const adapter::Tool& tool : adapter::kTools) {
    if (command == tool.name) return tool.run({words.begin() + 1, words.end()});
  }
  fmt::print(stderr, "cairn-agent: there is no command '{}': cairn-agent --help\n", command);
  return adapter::kExitConfig;
}
