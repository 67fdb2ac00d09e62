#include "adapter/memcache/engine_watch.h"

#include <utility>

namespace cairn::adapter::memcache {

EngineWatch::EngineWatch(asio::any_io_executor executor, EngineAddress address, EngineChild* child,
                         EngineWatchOwner* owner, EngineMinderOptions options)
    : EngineMinder(executor, child, options),
      executor_(std::move(executor)),
      address_(std::move(address)),
      owner_(owner) {}

asio::awaitable<absl::Status> EngineWatch::Connect(Millis patience) {
  connection_ = std::make_unique<EngineConnection>(executor_);
  co_return co_await connection_->Connect(address_, patience, nullptr);
}

asio::awaitable<absl::StatusOr<std::string>> EngineWatch::Identify(Millis patience) {
  co_return co_await Look(patience, nullptr);
}

asio::awaitable<absl::Status> EngineWatch::Prepare() {
  const absl::StatusOr<std::string> settings =
      co_await connection_->Call("stats settings\r\n", ReplyKind::kStats, Millis(10'000));
  if (!settings.ok()) co_return settings.status();
  co_return ReadSettings(*settings, &facts_);
}

asio::awaitable<absl::StatusOr<std::string>> EngineWatch::Look(Millis patience, IsBusy is_busy) {
  if (connection_ == nullptr) co_return absl::CancelledError("the engine's connection was closed");
  const absl::StatusOr<std::string> stats =
      co_await connection_->Call("stats\r\n", ReplyKind::kStats, patience, std::move(is_busy));
  if (!stats.ok()) co_return stats.status();
  const absl::Status read = ReadStats(*stats, &facts_);
  if (!read.ok()) co_return read;
  co_return facts_.Life();
}

}  // namespace cairn::adapter::memcache
