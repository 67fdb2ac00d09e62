#include "adapter/redis/agent_question.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "adapter/redis/engine_link.h"
#include "adapter/redis/resp_value.h"

namespace cairn::adapter::redis {
namespace {

// Lines of "name:value".
void ReadInfo(std::string_view text, AgentAnswer* answer) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find("\r\n"));
    text.remove_prefix(std::min(text.size(), line.size() + 2));
    const size_t colon = line.find(':');
    if (colon != std::string_view::npos) answer->Add(line.substr(0, colon), line.substr(colon + 1));
  }
}

}  // namespace

asio::awaitable<absl::Status> AskRedisAgent(asio::any_io_executor executor, EngineAddress address,
                                            Millis patience, AgentAnswer* answer) {
  EngineLink link(executor, std::move(address));
  const absl::Status connected = co_await link.Connect(patience);
  if (!connected.ok()) co_return connected;
  std::vector<std::string> argv = Argv("CAIRN", "INFO");
  const absl::StatusOr<RespValue> reply = co_await link.CallOk(std::move(argv), patience);
  if (!reply.ok()) co_return reply.status();
  ReadInfo(reply->text, answer);
  co_return absl::OkStatus();
}

}  // namespace cairn::adapter::redis
