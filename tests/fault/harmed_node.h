// What faults that harm a node's files have in common: finding the files, and starting a node on
// them until it has noticed and repaired what was done. Nobody brings anything back.
//
// Threads: of the drill's own.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "tests/fault/lab.h"

namespace cairn::fault {

// Files of `dir` whose names begin and end so, the largest first.
std::vector<std::filesystem::path> FilesOf(const std::string& dir, std::string_view begins,
                                           std::string_view ends);

// What the node said of damage since its output had `since` bytes, or its last words.
std::string Report(const Lab& lab, size_t node, size_t since);

// A node may end when it meets the damage, and is started again, as a supervisor would: from then
// on it has to repair itself. Requires: it was started. Errors: it is not ready in time.
absl::Status AwaitRepaired(Lab& lab, size_t node);

// Reads the load's log at this node alone, as far as that goes: what is damaged and cold is met
// now, and not in the middle of another fault. Errors: the read's.
absl::Status ReadAt(Lab& lab, size_t node);

// Starts it, has it read its data, and waits until it is repaired, if there was anything to repair.
absl::Status StartHarmed(Lab& lab, size_t node);

}  // namespace cairn::fault
