// AgentProcesses: a cluster and some agents of one cache, as real processes: what the worlds of all
// engines have in common.
//
// Threads: one. Lifetime: the destructor kills what still runs of the cluster and the agents.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/process_cluster.h"
#include "tests/support/temp_dir.h"

namespace cairn::integration {

class AgentProcesses {
 public:
  // Starts the cluster and waits for it; no agent. Each agent has two ports; `spare_ports` are for
  // whatever else listens.
  AgentProcesses(size_t nodes, size_t agents, size_t spare_ports = 0);
  AgentProcesses(const AgentProcesses&) = delete;
  AgentProcesses& operator=(const AgentProcesses&) = delete;

  // Of all agents, from their next starts on: variables ("KEY=value") on top of our own
  // environment.
  void SetEnvironment(std::vector<std::string> variables) { environment_ = std::move(variables); }

  // SIGKILL, and waits for the end.
  void KillAgent(size_t agent);
  void Signal(size_t agent, int signal) { agents_[agent]->Signal(signal); }
  // SIGSTOP, and waits until none of its threads runs.
  void Stop(size_t agent);
  std::optional<int> AwaitExit(size_t agent, int seconds = 60);

  [[nodiscard]] size_t size() const { return agents_.size(); }
  [[nodiscard]] bool IsRunning(size_t agent) const { return agents_[agent]->pid() >= 0; }
  // "host:port" of its clients, and of its second port.
  [[nodiscard]] std::string Address(size_t agent) const;
  [[nodiscard]] std::string SecondAddress(size_t agent) const;
  [[nodiscard]] int SparePort(size_t index) const;
  // In the directory of the whole, which goes with it.
  [[nodiscard]] std::string File(const std::string& name) const { return dir_.File(name); }
  // Its own.
  [[nodiscard]] std::string Directory(size_t agent) const;
  // What it wrote to stdout and stderr, over all its starts.
  [[nodiscard]] std::string Output(size_t agent) const;
  [[nodiscard]] ProcessCluster& cluster() { return *cluster_; }
  // All nodes, with commas.
  [[nodiscard]] std::string Endpoints() const;
  // The node that leads the log. Waits; nullopt: nobody does.
  std::optional<size_t> AwaitLeader(const std::string& log);

 protected:
  ~AgentProcesses() = default;
  // `program` is one of ours, `kind` its first word; the options that all agents have are added.
  void Start(size_t agent, const std::string& program, const std::string& kind,
             const std::vector<std::string>& flags);

 private:
  testing::TempDir dir_;
  std::unique_ptr<ProcessCluster> cluster_;
  int first_port_ = 0;
  std::vector<std::string> environment_;
  std::vector<std::unique_ptr<Process>> agents_;
};

}  // namespace cairn::integration
