// AgentWorld: a cluster and some agents of one cache, as real processes, each agent with an engine
// of its own behind a private socket.
//
// The agents are `plain_agent` by default: the agent without a front. Clients here speak to the
// engines directly, so what they see is not guarded by a lease; a write counts as committed when
// the engine's WAIT says that its only replica, the agent, has acknowledged it.
//
// Threads: one. Lifetime: the destructor kills what still runs, engines too.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "adapter/redis/resp_value.h"
#include "tests/integration/agent_processes.h"

namespace cairn::integration {

// A connection to an engine; every call waits for at most kPatience.
class EngineClient {
 public:
  // Nullptr when nobody listens.
  static std::unique_ptr<EngineClient> Connect(const std::string& socket_path);
  ~EngineClient();
  EngineClient(const EngineClient&) = delete;
  EngineClient& operator=(const EngineClient&) = delete;

  // Nullopt when the connection broke or nothing came in time.
  std::optional<adapter::redis::RespValue> Do(const std::vector<std::string>& argv);

 private:
  explicit EngineClient(int fd) : fd_(fd) {}
  const int fd_;
};

class AgentWorld : public AgentProcesses {
 public:
  struct Options {
    size_t nodes = 1;
    size_t agents = 3;
    bool keep_engines = false;
    int ttl_ms = 1000;
    std::vector<std::string> flags;  // For every agent.
    std::string program = "plain_agent";
    bool sentinels = false;  // Each agent plays Sentinel on a port of its own.
    size_t logs = 1;         // More: agents serve them in turn.
  };
  explicit AgentWorld(Options options);
  ~AgentWorld();
  AgentWorld(const AgentWorld&) = delete;
  AgentWorld& operator=(const AgentWorld&) = delete;

  // `flags`: of this one, this time.
  void StartAgent(size_t agent, const std::vector<std::string>& flags = {});
  // As an agent of that log of a cache of several: "3/3".
  void StartAgentAs(size_t agent, const std::string& shard,
                    const std::vector<std::string>& flags = {});
  void StartAllAgents();
  void KillEngine(size_t agent);

  // Where the agent's engine listens; an engine of somebody else's may take the place.
  [[nodiscard]] std::string EngineSocket(size_t agent) const;
  // A new connection; nullptr while the engine is not there.
  [[nodiscard]] std::unique_ptr<EngineClient> Engine(size_t agent) const;
  // Who publishes: its engine leads, and its agent follows the engine's stream. Waits.
  std::optional<size_t> AwaitPrimary(std::optional<size_t> except = {}, int seconds = 60);
  // Of one of several logs.
  std::optional<size_t> AwaitPrimaryOf(size_t log, std::optional<size_t> except = {},
                                       int seconds = 60);
  // That agent's engine follows its agent, and holds `value` under `key`. Waits.
  bool AwaitReplica(size_t agent, const std::string& key, const std::string& value,
                    int seconds = 60);
  // INCR, committed: the new value; nullopt when it failed or its outcome is unknown.
  std::optional<int64_t> Increment(size_t agent, const std::string& key);

  [[nodiscard]] std::string SentinelAddress(size_t agent) const { return SecondAddress(agent); }

 private:
  [[nodiscard]] bool IsPrimary(size_t agent) const;

  const Options options_;
};

}  // namespace cairn::integration
