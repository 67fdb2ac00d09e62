// `cairn-agent adopt`: the data of a live Redis become those of a cache, while it serves, and an
// agent takes its place (live_adoption.h). A Redis that stays where it is, behind an agent, is
// adopted by `cairn-agent redis --engine … --adopt true` instead.
//
//   --cut-over asap      as soon as little is left to commit and an agent is there
//   --cut-over signal    when SIGUSR1 comes; until then the lag is told
#pragma once

#include <string>
#include <vector>

namespace cairn::adapter::redis {

// The process's exit code. `argv` begins behind the subcommand.
int RunAdoptCommand(const std::vector<std::string>& argv);

}  // namespace cairn::adapter::redis
