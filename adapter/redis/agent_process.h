// The process of an agent: reads the configuration, starts the agent and its front, and stops them
// in order.
//
// Signals: SIGTERM and SIGINT are blocked in every thread and taken by the main thread, so that
//   nothing ever runs in a handler. The first one hands the lease over, if somebody is there to
//   take it, and exits 0; a second one exits at once.
// Output: one line on stdout when clients are taken, and one when it stops; the log goes to stderr.
// Exit codes: 0 stopped as asked; 1 could not start or go on; 2 the configuration is wrong; 130 a
//   second signal.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "adapter/redis/agent_config.h"
#include "adapter/redis/front_port.h"

namespace cairn::adapter::redis {

// Begins to listen; clients are taken when the agent says so. `host` outlives the front.
using FrontFactory =
    std::function<absl::StatusOr<std::unique_ptr<FrontPort>>(const AgentConfig&, FrontHost* host)>;

// main() of `cairn-agent redis`; `argv`: the words behind that.
int RunAgentProcess(const std::vector<std::string>& argv, const FrontFactory& start_front);

}  // namespace cairn::adapter::redis
