// CacheFault: one way to harm a cache, and the table of all of them: agents, engines, the network
// between agents and the log, agents' clocks, the log's disks, and those of the cluster's nodes
// (tests/fault) that agents feel.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/failover/cache_lab.h"

namespace cairn::failover {

struct CacheFault {
  std::string_view name;
  bool network = false;  // It needs network namespaces.
  // Brings it about, lets it last and undoes it; all processes run again when it returns. Returns
  // the evidence that it took effect. Errors: it took none, or a process did what it must not do.
  absl::StatusOr<std::string> (*run)(CacheLab& lab) = nullptr;
  // In place of `run`: a fault of the cluster's nodes.
  absl::StatusOr<std::string> (*run_on_nodes)(fault::Lab& lab) = nullptr;
  bool by_command = false;  // It needs agents that hand over when they are told to.
  bool small_disk = false;  // It needs file systems of its own for the nodes.

  absl::StatusOr<std::string> Run(CacheLab& lab) const {
    return run != nullptr ? run(lab) : run_on_nodes(lab.nodes());
  }
};

// One per file.
std::vector<CacheFault> AgentClockFaults();
std::vector<CacheFault> LogDiskFaults();

// All families, in the order of the verdict.
std::vector<CacheFault> AllCacheFaults();

}  // namespace cairn::failover
