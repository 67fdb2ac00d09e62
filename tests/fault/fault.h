// Fault: one way to harm a cluster, and the table of all of them.
//
// A family of faults is one source file that exports its table, as the commands of the tool do.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "tests/fault/lab.h"

namespace cairn::fault {

// What a fault needs, or'ed.
enum Need : uint8_t {
  kNothing = 0,
  kNetwork = 1,    // A VirtualNet.
  kSmallDisk = 2,  // A file system of its own for one node.
  kFiveNodes = 4,
};

struct Fault {
  std::string_view name;  // Of --faults and of the row.
  uint8_t needs = kNothing;
  // Brings it about, lets it last and undoes it; all processes run again when it returns, though
  // the cluster need not have recovered. Returns the evidence that it took effect.
  // Errors: it took none, or a node did what it must not do.
  absl::StatusOr<std::string> (*run)(Lab& lab) = nullptr;
};

// One per file.
std::span<const Fault> ProcessFaults();
std::span<const Fault> NetworkFaults();
std::span<const Fault> DiskFaults();
std::span<const Fault> DamageFaults();
std::span<const Fault> LyingDiskFaults();
std::span<const Fault> NewbornFaults();
std::span<const Fault> ClockFaults();

// All families, in the order of the verdict.
std::vector<Fault> AllFaults();

// For faults that took no effect or nodes that did wrong.
absl::Status NoEffect(std::string_view why);

}  // namespace cairn::fault
