// cairn-agent: makes an unmodified Redis or Valkey durable, one process per engine (`redis`), and
// works on caches and their logs (`status`, `snapshot`, `restore`, `adopt`).
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "adapter/redis/adopt_command.h"
#include "adapter/redis/agent_process.h"
#include "adapter/redis/front/front.h"
#include "adapter/redis/restore_command.h"
#include "adapter/redis/snapshot_command.h"
#include "adapter/redis/status_command.h"
#include "base/clock.h"

namespace cairn::adapter::redis {
namespace {

absl::StatusOr<std::unique_ptr<FrontPort>> StartFront(const AgentConfig& config, FrontHost* host) {
  FrontOptions options;
  options.listen = config.listen;
  options.advertise = config.advertise;
  options.tls = {config.tls_cert, config.tls_key, config.tls_ca};
  options.tls_listen = config.tls_listen;
  options.io_threads = static_cast<int>(config.io_threads);
  options.max_clients = config.max_clients;
  options.durability = config.durability == "sync" ? Durability::kSync : Durability::kAsync;
  options.hold_timeout_us = static_cast<int64_t>(config.hold_timeout_ms) * kMicrosPerMilli;
  options.lag.max_us = static_cast<int64_t>(config.lag_ms) * kMicrosPerMilli;
  options.lag.max_bytes = config.lag_bytes;
  if (config.discovery == "cluster") options.discovery = Discovery::kCluster;
  if (config.discovery == "none") options.discovery = Discovery::kNone;
  options.sentinel_listen = config.sentinel_listen;
  absl::StatusOr<std::unique_ptr<Front>> front = Front::Start(std::move(options), host);
  if (!front.ok()) return front.status();
  return std::unique_ptr<FrontPort>(*std::move(front));
}

}  // namespace
}  // namespace cairn::adapter::redis

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (!words.empty() && words.front() == "adopt") {
    return cairn::adapter::redis::RunAdoptCommand({words.begin() + 1, words.end()});
  }
  if (!words.empty() && words.front() == "snapshot") {
    return cairn::adapter::redis::RunSnapshotCommand({words.begin() + 1, words.end()});
  }
  if (!words.empty() && words.front() == "restore") {
    return cairn::adapter::redis::RunRestoreCommand({words.begin() + 1, words.end()});
  }
  if (!words.empty() && words.front() == "status") {
    return cairn::adapter::redis::RunStatusCommand({words.begin() + 1, words.end()});
  }
  return cairn::adapter::redis::RunAgentProcess(argc, argv, cairn::adapter::redis::StartFront);
}
