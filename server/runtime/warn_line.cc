#include "server/runtime/warn_line.h"

#include <spdlog/spdlog.h>

namespace cairn::server {

void WarnLine(const std::string& line) { spdlog::warn("{}", line); }

}  // namespace cairn::server
