// RunCairnd: has the node's program look at, or make, a data directory (data_lines.h).
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cli/commands.h"
#include "cli/data_lines.h"
#include "cli/session.h"

namespace cairn::cli {

// Runs `named` (empty: the cairnd beside this program, or in PATH) with `words`, to its end, shows
// how far it is, and gives what it says to `lines`. OK: they are complete.
// Errors: what it tells of; kCancelled: interrupted, and it was ended; kNotFound: there is no such
// program; kInternal: it ended without a result.
absl::Status RunCairnd(const std::string& named, const std::vector<std::string>& words,
                       Session& session, DataLines& lines);

// The option that names the program.
CLI::Option* AddCairnd(CLI::App& app, std::string& target);

}  // namespace cairn::cli
