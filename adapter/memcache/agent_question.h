// AskMemcachedAgent: how an agent of memcached is, by `stats cairn` on its plain port.
//
// Threads: of the executor's context. Errors: those of engine_connection.h; kNotFound: somebody
// answers there who is no agent of memcached.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include "absl/status/status.h"
#include "adapter/agent_answer.h"
#include "adapter/engine_socket.h"

namespace cairn::adapter::memcache {

// `answer` outlives the call.
asio::awaitable<absl::Status> AskMemcachedAgent(asio::any_io_executor executor,
                                                EngineAddress address, Millis patience,
                                                AgentAnswer* answer);

}  // namespace cairn::adapter::memcache
