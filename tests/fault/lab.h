// Lab: the cluster that a drill disturbs, and the handles by which faults take hold of it.
//
// Every node is a cairnd of its own, loaded behind the shim (shim_control.h), in a network
// namespace of its own where the machine allows that (virtual_net.h), else on the loopback. Its
// memtables and segments are small, so that a short drill already has tables to damage.
//
// Threads: the one that made it; only it starts and signals processes.
// Lifetime: the destructor ends all nodes.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/random.h"
#include "cairn/admin.h"
#include "cairn/client.h"
#include "cli/interrupt.h"
#include "tests/fault/shim_control.h"
#include "tests/fault/virtual_net.h"
#include "tests/integration/process_cluster.h"

namespace cairn::fault {

inline constexpr const char* kLoadLog = "load";

struct LabOptions {
  std::string bin_dir;  // Of cairnd, power_node and the shim.
  std::string dir;      // Of data and logs.
  size_t nodes = 3;
  uint64_t seed = 1;
  std::string log = kLoadLog;  // By which a node counts as the leader.
  // How long a fault lasts on average.
  absl::Duration hold = absl::Seconds(4);
  // How often the newborn-log fault makes a log at a time; 0: as often as its time allows.
  uint64_t newborn_rounds = 0;
  // For every node, on top of the lab's own.
  std::vector<std::string> flags;
};

class Lab {
 public:
  // `net` may be null. Requires: the first hosts of `net` are for the nodes.
  Lab(LabOptions options, std::unique_ptr<VirtualNet> net, const cli::Interrupt* interrupt);
  Lab(const Lab&) = delete;
  Lab& operator=(const Lab&) = delete;

  // Starts all nodes and waits until they are ready.
  absl::Status Start();

  [[nodiscard]] const LabOptions& options() const { return options_; }
  [[nodiscard]] size_t size() const { return cluster_->size(); }
  [[nodiscard]] integration::ProcessCluster& cluster() { return *cluster_; }
  [[nodiscard]] Client& client() { return *client_; }
  [[nodiscard]] VirtualNet* net() { return net_.get(); }
  [[nodiscard]] ShimPage& shim(size_t node) { return *shims_.at(node); }
  [[nodiscard]] Random& random() { return random_; }
  [[nodiscard]] static std::string Name(size_t node);

  // ---- Looking -------------------------------------------------------------------------
  // The node's view; an error when it does not answer soon.
  absl::StatusOr<NodeStatus> StatusOf(size_t node);
  // Who says that it leads the load's log, in the newest term; waits a while for one.
  absl::StatusOr<size_t> Leader();
  // The nodes that have a replica of the log, of those that answer.
  std::vector<size_t> HoldersOf(const std::string& log);
  // How many there ought to be.
  [[nodiscard]] size_t replicas() const { return std::min<size_t>(size(), 3); }
  // Every node is ready, and every replica is sound and at most a little behind.
  [[nodiscard]] bool IsWhole(std::string* why_not = nullptr);
  // The value of a metric without labels; nullopt when the node does not tell.
  [[nodiscard]] std::optional<double> Metric(size_t node, const std::string& name);
  // What the node wrote since it was `bytes` long, and how long it is.
  [[nodiscard]] std::string OutputSince(size_t node, size_t bytes) const;
  [[nodiscard]] size_t OutputBytes(size_t node) const;
  // The first line among them that contains `part`, without its time; empty: none.
  [[nodiscard]] std::string LineWith(size_t node, size_t since, const std::string& part) const;

  // ---- Doing ---------------------------------------------------------------------------
  // `count` nodes, the leader first when there is one and `with_leader`; else without it.
  std::vector<size_t> Draw(size_t count, bool with_leader);
  // A node that has a replica of the load's log, and so always something to write; by that chance
  // the leader.
  size_t DrawHolder(double leader_chance);
  // Waits; false: the drill was interrupted.
  bool Wait(absl::Duration time) const;
  // Waits about as long as a fault lasts.
  bool Hold();
  // SIGKILL; says so with the process id and status. Requires: it runs.
  std::string Kill(size_t node);
  // SIGTERM and a start. Errors: it does not end with 0, or is not ready again in time.
  absl::Status Restart(size_t node);
  // The node is power_node from its next start on: a power cut can then take what is not synced.
  void OnForgetfulDisk(size_t node);
  // The node is cairnd again from its next start on.
  void OnRealDisk(size_t node);
  absl::Status AwaitReady(size_t node, absl::Duration within = absl::Seconds(60));
  // `waited_for`, if given, is told what was missing to the last.
  absl::Status AwaitWhole(absl::Duration within, std::string* waited_for = nullptr);

  // A process that holds leases, for faults that stop it; -1: there is none.
  pid_t holder = -1;
  // What an operator had to do, for the verdict.
  std::vector<std::string> repairs;

 private:
  const LabOptions options_;
  std::unique_ptr<VirtualNet> net_;
  const cli::Interrupt* const interrupt_;
  Random random_;
  std::vector<std::unique_ptr<ShimPage>> shims_;
  std::unique_ptr<integration::ProcessCluster> cluster_;
  std::unique_ptr<Client> client_;
  int boots_ = 0;
};

}  // namespace cairn::fault
