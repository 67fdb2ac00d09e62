// `cairn-agent status`: who of a cache's agents is the primary, how each is doing, and how far the
// others are behind.
//
//   --agent host:port   asks one agent, and all that it knows of
//   --log NAME          asks the cluster who is there, then each of them
//
// Each agent is asked on its plain port: those of memcached by `stats cairn`, those of Redis by
// CAIRN INFO. One that does not answer is told as such.
//
// Output: a table, or with `-o json` one object. Exit codes: 0 there is a primary that serves; 1
// there is none, or nobody could be asked; 2 the configuration is wrong.
#pragma once

#include <string>
#include <vector>

namespace cairn::adapter {

// `argv` begins behind "status".
int RunStatusCommand(const std::vector<std::string>& argv);

}  // namespace cairn::adapter
