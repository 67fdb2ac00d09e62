// `cairn-agent reshard`: the operator's hand on who has which slots: begins a move, takes it back,
// tells how it stands.
//
// It writes a record into the cache's slot log and reads what comes of it; agents do the work, with
// or without it. So it may be ended at any time.
#pragma once

#include <string>
#include <vector>

namespace cairn::adapter::redis {

// The exit code of the process. `argv`: behind the command's name.
int RunReshardCommand(const std::vector<std::string>& argv);

}  // namespace cairn::adapter::redis
