// CacheLab: a cluster of the log and three agents of one cache, each with an engine of its own, and
// the handles by which faults take hold of them.
//
// Nodes and agents are processes, each behind a shim (tests/fault/shim_control.h), and in a network
// namespace of its own where the machine allows that: the nodes are the first hosts of the network,
// the agents the next, the clients the last. Engines have no shim.
//
// Threads: the one that made it, but for what says otherwise. Lifetime: the destructor ends all
// processes, engines too.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "tests/failover/cache_connection.h"
#include "tests/failover/cache_kind.h"
#include "tests/fault/lab.h"
#include "tests/fault/shim_control.h"
#include "tests/integration/process.h"

namespace cairn::failover {

inline constexpr const char* kCacheLog = "cache";

struct CacheLabOptions {
  const CacheKind* kind = CacheKind::Find("redis");
  fault::LabOptions nodes;  // Its directory and seed are the lab's.
  size_t agents = 3;
  int ttl_ms = 2000;
};

class CacheLab {
 public:
  // `net` may be null. Requires: `net` has a host for each node and each agent.
  CacheLab(CacheLabOptions options, std::unique_ptr<fault::VirtualNet> net,
           const cli::Interrupt* interrupt);
  ~CacheLab();
  CacheLab(const CacheLab&) = delete;
  CacheLab& operator=(const CacheLab&) = delete;

  // Starts everything, and waits until all of it is whole.
  absl::Status Start();

  [[nodiscard]] fault::Lab& nodes() { return *nodes_; }
  [[nodiscard]] fault::VirtualNet* net() { return nodes_->net(); }
  [[nodiscard]] Random& random() { return nodes_->random(); }
  [[nodiscard]] size_t agents() const { return agents_.size(); }
  [[nodiscard]] integration::Process& agent(size_t agent) { return *agents_.at(agent); }
  [[nodiscard]] fault::ShimPage& shim(size_t agent) { return *shims_.at(agent); }
  [[nodiscard]] static std::string Name(size_t agent);
  // The agent's host in the network.
  [[nodiscard]] size_t HostOf(size_t agent) const { return options_.nodes.nodes + agent; }

  [[nodiscard]] const CacheKind& kind() const { return *options_.kind; }
  // For kind(). From any thread.
  [[nodiscard]] AgentPlace PlaceOf(size_t agent) const;

  // Who says so; waits a while for one.
  absl::StatusOr<size_t> Primary();
  [[nodiscard]] std::optional<AgentView> View(size_t agent) const;
  // The engine's process; -1: it does not answer.
  [[nodiscard]] pid_t EnginePid(size_t agent) const;
  // Nodes are whole, one agent is the primary, all others are replicas that have caught up.
  absl::Status AwaitWhole(absl::Duration within);

  void StartAgent(size_t agent);
  // SIGKILL to agent and engine; says so.
  std::string KillAgent(size_t agent);
  std::string KillEngine(size_t agent);
  bool Wait(absl::Duration time) const { return nodes_->Wait(time); }

 private:
  [[nodiscard]] std::string Directory(size_t agent) const;
  [[nodiscard]] std::string Host(size_t agent) const;
  // A mark that all engines show says that they follow.
  [[nodiscard]] bool AllFollow(size_t primary, std::string* why_not);
  [[nodiscard]] bool IsWhole(std::string* why_not);

  const CacheLabOptions options_;
  std::unique_ptr<fault::Lab> nodes_;
  std::vector<std::unique_ptr<fault::ShimPage>> shims_;
  std::vector<std::unique_ptr<integration::Process>> agents_;
  int first_port_ = 0;
  int64_t marks_ = 0;  // Written to see whether replicas follow.
};

}  // namespace cairn::failover
