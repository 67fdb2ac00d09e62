// A line at level warn in the process's log, for layers that do not log by themselves.
//
// Threads: any.
#pragma once

#include <string>

namespace cairn::server {

void WarnLine(const std::string& line);

}  // namespace cairn::server
