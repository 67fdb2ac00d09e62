// `cairn-agent invalidate`: an Invalidator (invalidator.h) as a process.
//
//   cairn-agent invalidate --log L[,L2…] --targets host:port,… --state-dir D
//
// Exit codes: 0 stopped as asked; 1 could not start or go on; 2 wrong configuration; 130 a second
// signal.
#pragma once

#include <string>
#include <vector>

namespace cairn::adapter::memcache {

// `argv` begins behind "invalidate".
int RunInvalidateCommand(const std::vector<std::string>& argv);

}  // namespace cairn::adapter::memcache
