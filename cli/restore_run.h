// What `cairn snapshot restore` and `cairn archive restore` do alike: which logs, under which
// names, and several at a time.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/commands.h"
#include "cli/log_restore.h"

namespace cairn::cli {

struct RestoreChoice {
  std::vector<std::string> logs;     // Empty: all.
  std::vector<std::string> renames;  // "OLD=NEW".
  std::string prefix;
  uint64_t parallel = 4;
};
void AddRestoreChoice(CLI::App& app, RestoreChoice& choice);

// The new names, by those in `held`. `origin`: "the backup", "the archive".
// Errors: kNotFound, kInvalidArgument, for what is chosen and not held.
absl::StatusOr<std::map<std::string, std::string>> NamesToRestore(
    const RestoreChoice& choice, const std::vector<std::string>& held, const std::string& origin);

// Looks at all names, then restores. `total_bytes`: what their sources will have read.
// Errors: the first one; kCancelled after an interrupt.
absl::Status RunRestores(Session& session, const RestoreChoice& choice,
                         const std::vector<std::unique_ptr<LogRestore>>& restores,
                         const LogRestore::Counters& counters, uint64_t total_bytes);

}  // namespace cairn::cli
