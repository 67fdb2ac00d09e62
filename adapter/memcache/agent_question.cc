#include "adapter/memcache/agent_question.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "adapter/memcache/agent_stats.h"
#include "adapter/memcache/engine_connection.h"

namespace cairn::adapter::memcache {

asio::awaitable<absl::Status> AskMemcachedAgent(asio::any_io_executor executor,
                                                EngineAddress address, Millis patience,
                                                AgentAnswer* answer) {
  EngineConnection connection(executor);
  const absl::Status connected = co_await connection.Connect(std::move(address), patience, nullptr);
  if (!connected.ok()) co_return connected;
  const absl::StatusOr<std::string> reply = co_await connection.Call(
      std::string(kAgentStatsRequest) + "\r\n", ReplyKind::kStats, patience);
  if (!reply.ok()) co_return reply.status();
  if (!ReadAgentStats(*reply, answer)) co_return absl::NotFoundError("no agent answers there");
  co_return absl::OkStatus();
}

}  // namespace cairn::adapter::memcache
