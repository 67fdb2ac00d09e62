// `cairn-agent status`: who of a cache's agents is the primary, how each is doing, and how far the
// others are behind.
//
//   --agent host:port   asks one agent, and all that it knows of
//   --log NAME          asks the cluster who is there, then each of them
//
// Each agent answers CAIRN INFO on its plain port; one that does not answer is told as such.
//
// Output: a table, or with `-o json` one object. Exit codes: 0 there is a primary that serves; 1
// there is none, or nobody could be asked; 2 the configuration is wrong.
#pragma once

#include <string>
#include <vector>

namespace cairn::adapter::redis {

// `argv` begins behind "status".
int RunStatusCommand(const std::vector<std::string>& argv);

}  // namespace cairn::adapter::redis
