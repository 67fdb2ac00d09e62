// The metrics of an agent, in the text format that Prometheus scrapes. docs/agent.md has the table.
//
// Threads: none; pure.
#pragma once

#include <string>

#include "adapter/redis/agent_status.h"

namespace cairn::adapter::redis {

std::string MetricsText(const RedisStatus& agent, const FrontStats& front);

}  // namespace cairn::adapter::redis
