// AskRedisAgent: how an agent of Redis is, by CAIRN INFO on its plain port.
//
// Threads: of the executor's context. Errors: those of engine_link.h.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include "absl/status/status.h"
#include "adapter/agent_answer.h"
#include "adapter/engine_socket.h"

namespace cairn::adapter::redis {

// `answer` outlives the call.
asio::awaitable<absl::Status> AskRedisAgent(asio::any_io_executor executor, EngineAddress address,
                                            Millis patience, AgentAnswer* answer);

}  // namespace cairn::adapter::redis
