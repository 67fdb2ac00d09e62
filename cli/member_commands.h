// `cairn cluster add`, `remove`, `replace`, `promote`, `drain` and `move`: what the cluster is made
// of. Each notes a wish in the catalog and then, unless told not to, waits until the cluster has
// come to it; Ctrl-C ends the waiting, not the wish.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/session.h"

namespace cairn::cli {

Runner DeclareAddMember(CLI::App& app);
Runner DeclareRemoveMember(CLI::App& app);
Runner DeclareReplaceMember(CLI::App& app);
Runner DeclarePromoteMember(CLI::App& app);
Runner DeclareDrainMember(CLI::App& app);
Runner DeclareMoveReplica(CLI::App& app);

}  // namespace cairn::cli
