#include "adapter/redis/engine_watch.h"

#include <utility>
#include <vector>

#include "adapter/redis/resp_value.h"

namespace cairn::adapter::redis {

EngineWatch::EngineWatch(asio::any_io_executor executor, EngineAddress address,
                         EngineProcess* process, EngineWatchOwner* owner,
                         EngineMinderOptions options)
    : EngineMinder(executor, process, options),
      owner_(owner),
      link_(executor, std::move(address)) {}

asio::awaitable<absl::Status> EngineWatch::Connect(Millis patience) {
  co_return co_await link_.Connect(patience);
}

asio::awaitable<absl::StatusOr<std::string>> EngineWatch::Identify(Millis patience) {
  absl::StatusOr<EngineFacts> facts = co_await ObserveEngine(&link_, patience);
  if (!facts.ok()) co_return facts.status();
  facts_ = *std::move(facts);
  co_return facts_.run_id;
}

asio::awaitable<absl::Status> EngineWatch::Prepare() {
  co_return co_await owner_->PrepareEngine(&link_, facts_);
}

asio::awaitable<absl::StatusOr<std::string>> EngineWatch::Look(Millis patience, IsBusy is_busy) {
  std::vector<std::string> argv = Argv("INFO");
  const absl::StatusOr<RespValue> reply =
      co_await link_.Call(std::move(argv), patience, std::move(is_busy));
  if (!reply.ok()) co_return reply.status();
  busy_ = reply->error();
  if (busy_) co_return std::string();
  absl::StatusOr<EngineFacts> facts = ParseEngineFacts(reply->text);
  if (!facts.ok()) co_return facts.status();
  std::string life = facts->run_id;
  // The facts of another life are not this engine's.
  if (life == facts_.run_id) facts_ = *std::move(facts);
  co_return life;
}

}  // namespace cairn::adapter::redis
