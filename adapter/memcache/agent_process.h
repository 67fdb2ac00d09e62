// `cairn-agent memcached`: an agent of memcached as a process.
#pragma once

#include <string>
#include <vector>

namespace cairn::adapter::memcache {

// `argv`: the words behind "memcached". The exit code.
int RunAgentProcess(const std::vector<std::string>& argv);

}  // namespace cairn::adapter::memcache
