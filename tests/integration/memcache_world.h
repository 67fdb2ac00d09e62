// MemcacheWorld: a cluster and some agents of one memcached cache, as real processes, each agent
// with an engine of its own behind a private socket, and what tests ask of them.
//
// Threads: one, but for Client. Lifetime: the destructor kills what still runs, engines too.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/agent_processes.h"
#include "tests/integration/memcache_client.h"

namespace cairn::integration {

// By key: the client's flags, a blank, the value.
using MemcacheItems = std::map<std::string, std::string>;

class MemcacheWorld : public AgentProcesses {
 public:
  struct Options {
    size_t nodes = 1;
    size_t agents = 3;
    int ttl_ms = 1000;
    std::vector<std::string> flags;  // For every agent.
    size_t spare_ports = 0;          // For whatever else listens.
    size_t logs = 1;                 // More: a ring; agents serve them in turn.
    std::string advertise_host;      // By which agents tell each other; empty: 127.0.0.1.
  };
  explicit MemcacheWorld(Options options);
  ~MemcacheWorld();
  MemcacheWorld(const MemcacheWorld&) = delete;
  MemcacheWorld& operator=(const MemcacheWorld&) = delete;

  void StartAgent(size_t agent);
  // For agent 0 alone, behind those of all.
  void SetFirstFlags(std::vector<std::string> flags) { first_flags_ = std::move(flags); }
  void StartAllAgents();
  // SIGKILL to the agent's engine; the agent lives on. False: there was none.
  bool KillEngine(size_t agent);

  // A new connection; nullptr: nobody listens.
  [[nodiscard]] std::unique_ptr<MemcacheClient> Client(size_t agent) const;
  [[nodiscard]] std::unique_ptr<MemcacheClient> Engine(size_t agent) const;
  // Who serves under a lease, by its own pages. Waits.
  std::optional<size_t> AwaitPrimary(std::optional<size_t> except = {}, int seconds = 60);
  // It serves, as the primary or through it. Waits.
  bool AwaitServes(size_t agent);
  // All agents serve, one as the primary. Waits.
  bool AwaitAllServe();
  // A metric of its pages, by its whole name; nullopt: it does not answer.
  [[nodiscard]] std::optional<double> Metric(size_t agent, const std::string& name) const;

  // Where agents find snapshots, and tools put them.
  [[nodiscard]] std::string StoreUrl() const { return "file://" + File("store"); }
  // All items of its engine; nullopt: it does not answer.
  [[nodiscard]] std::optional<MemcacheItems> EngineItems(size_t agent) const;
  // All engines hold the same. Waits. Requires: nobody writes.
  bool AwaitSameEngines();
  // Kills each engine in turn, so that its agent fills another from its own view; then the same.
  bool AwaitSameViews();

 private:
  [[nodiscard]] std::string Page(size_t agent, const std::string& path) const;

  const Options options_;
  std::vector<std::string> first_flags_;
};

}  // namespace cairn::integration
