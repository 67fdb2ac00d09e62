#include "tests/integration/agent_world.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstring>
#include <utility>

#include "adapter/redis/reply_scanner.h"
#include "base/check.h"

namespace cairn::integration {
namespace {

using adapter::redis::EngineRole;
using adapter::redis::ReadRespValue;
using adapter::redis::ReadRole;
using adapter::redis::ReplyPiece;
using adapter::redis::ReplyScanner;
using adapter::redis::RespValue;

constexpr int kPatienceSeconds = 20;

std::string Encode(const std::vector<std::string>& argv) {
  std::string command = fmt::format("*{}\r\n", argv.size());
  for (const std::string& word : argv) command += fmt::format("${}\r\n{}\r\n", word.size(), word);
  return command;
}

}  // namespace

// ---- EngineClient ---------------------------------------------------------------------------

std::unique_ptr<EngineClient> EngineClient::Connect(const std::string& socket_path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  CHECK_LT(socket_path.size(), sizeof address.sun_path);
  std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK_GE(fd, 0);
  std::unique_ptr<EngineClient> client(new EngineClient(fd));
  const timeval patience{.tv_sec = kPatienceSeconds, .tv_usec = 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return nullptr;
  return client;
}

EngineClient::~EngineClient() { close(fd_); }

std::optional<RespValue> EngineClient::Do(const std::vector<std::string>& argv) {
  const std::string command = Encode(argv);
  if (send(fd_, command.data(), command.size(), MSG_NOSIGNAL) != ssize_t(command.size())) {
    return std::nullopt;
  }
  ReplyScanner scanner;
  std::string reply;
  while (true) {
    char buffer[16384];
    const ssize_t bytes = recv(fd_, buffer, sizeof buffer, 0);
    if (bytes <= 0) return std::nullopt;
    for (std::string_view input(buffer, static_cast<size_t>(bytes)); !input.empty();) {
      const absl::StatusOr<ReplyPiece> piece = scanner.Next(&input);
      if (!piece.ok()) return std::nullopt;
      reply += piece->bytes;
      if (!piece->ends) continue;
      absl::StatusOr<RespValue> value = ReadRespValue(reply);
      if (!value.ok()) return std::nullopt;
      return *std::move(value);
    }
  }
}

// ---- AgentWorld -----------------------------------------------------------------------------

AgentWorld::AgentWorld(Options options)
    : AgentProcesses(options.nodes, options.agents), options_(std::move(options)) {}

AgentWorld::~AgentWorld() {
  for (size_t agent = 0; agent < size(); ++agent) {
    KillAgent(agent);
    KillEngine(agent);
  }
}

void AgentWorld::StartAgent(size_t agent, const std::vector<std::string>& flags) {
  StartAgentAs(agent, fmt::format("{}/{}", agent % options_.logs + 1, options_.logs), flags);
}

void AgentWorld::StartAgentAs(size_t agent, const std::string& shard,
                              const std::vector<std::string>& flags) {
  std::vector<std::string> all = {"--ttl-ms", std::to_string(options_.ttl_ms), "--keep-engine",
                                  options_.keep_engines ? "true" : "false"};
  if (options_.logs == 1) {
    all.insert(all.end(), {"--log", "cache"});
  } else {
    all.insert(all.end(), {"--cache", "cache", "--shard", shard});
  }
  if (options_.sentinels) all.insert(all.end(), {"--sentinel-listen", SentinelAddress(agent)});
  all.insert(all.end(), options_.flags.begin(), options_.flags.end());
  all.insert(all.end(), flags.begin(), flags.end());
  Start(agent, options_.program, "redis", all);
}

void AgentWorld::StartAllAgents() {
  for (size_t agent = 0; agent < size(); ++agent) StartAgent(agent);
}

void AgentWorld::KillEngine(size_t agent) {
  const auto engine = Engine(agent);
  if (engine == nullptr) return;
  const auto info = engine->Do({"INFO", "server"});
  if (!info) return;
  const auto text = adapter::redis::FindInfoField(info->text, "process_id");
  pid_t pid = 0;
  if (!text) return;
  std::from_chars(text->data(), text->data() + text->size(), pid);
  if (pid <= 0) return;
  kill(pid, SIGKILL);
  // It is not our child: it is gone when nobody listens any more.
  CHECK(Eventually([&] { return Engine(agent) == nullptr || kill(pid, 0) != 0; }));
}

std::string AgentWorld::EngineSocket(size_t agent) const {
  return Directory(agent) + "/engine/engine.sock";
}

std::unique_ptr<EngineClient> AgentWorld::Engine(size_t agent) const {
  return EngineClient::Connect(EngineSocket(agent));
}

bool AgentWorld::IsPrimary(size_t agent) const {
  if (!IsRunning(agent)) return false;
  const auto engine = Engine(agent);
  if (engine == nullptr) return false;
  const auto reply = engine->Do({"ROLE"});
  if (!reply || reply->items.size() != 3) return false;
  const auto role = ReadRole(*reply);
  // The third item lists the replicas: the agent is one when it publishes.
  return role.ok() && role->primary && !reply->items[2].items.empty();
}

std::optional<size_t> AgentWorld::AwaitPrimary(std::optional<size_t> except, int seconds) {
  return AwaitPrimaryOf(0, except, seconds);
}

std::optional<size_t> AgentWorld::AwaitPrimaryOf(size_t log, std::optional<size_t> except,
                                                 int seconds) {
  std::optional<size_t> primary;
  Eventually(
      [&] {
        for (size_t agent = 0; agent < size() && !primary; ++agent) {
          const bool serves = agent % options_.logs == log;
          if (serves && agent != except && IsPrimary(agent)) primary = agent;
        }
        return primary.has_value();
      },
      seconds);
  return primary;
}

bool AgentWorld::AwaitReplica(size_t agent, const std::string& key, const std::string& value,
                              int seconds) {
  return Eventually(
      [&] {
        const auto engine = Engine(agent);
        if (engine == nullptr) return false;
        const auto reply = engine->Do({"ROLE"});
        if (!reply) return false;
        const auto role = ReadRole(*reply);
        if (!role.ok() || role->primary) return false;
        const auto got = engine->Do({"GET", key});
        return got && got->text == value;
      },
      seconds);
}

std::optional<int64_t> AgentWorld::Increment(size_t agent, const std::string& key) {
  const auto engine = Engine(agent);
  if (engine == nullptr) return std::nullopt;
  const auto value = engine->Do({"INCR", key});
  if (!value || value->error()) return std::nullopt;
  const auto acked = engine->Do({"WAIT", "1", std::to_string(kPatienceSeconds * 500)});
  if (!acked || acked->integer < 1) return std::nullopt;
  return value->integer;
}

}  // namespace cairn::integration
