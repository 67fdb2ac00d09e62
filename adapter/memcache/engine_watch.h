// EngineWatch: minds a memcached (engine_minder.h): reads its statistics again and again.
//
// Threads: the engine thread (engine_socket.h). Lifetime: as EngineMinder.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/engine_minder.h"
#include "adapter/memcache/engine_connection.h"
#include "adapter/memcache/engine_facts.h"

namespace cairn::adapter::memcache {

class EngineWatchOwner {
 public:
  virtual ~EngineWatchOwner() = default;
  // It answers, with these facts. Told once until the next down.
  virtual void OnEngineReady(const EngineFacts& facts) = 0;
  // Told once after each ready, and once at the start if the engine does not come.
  virtual void OnEngineDown(const absl::Status& why) = 0;
};

class EngineWatch : public EngineMinder {
 public:
  // `child`: null in attach mode. Owner and child outlive this.
  EngineWatch(asio::any_io_executor executor, EngineAddress address, EngineChild* child,
              EngineWatchOwner* owner, EngineMinderOptions options);

  // Of the last look.
  [[nodiscard]] const EngineFacts& facts() const { return facts_; }
  [[nodiscard]] const EngineAddress& address() const { return address_; }

 private:
  asio::awaitable<absl::Status> Connect(Millis patience) override;
  void Close() override { connection_.reset(); }
  asio::awaitable<absl::StatusOr<std::string>> Identify(Millis patience) override;
  asio::awaitable<absl::Status> Prepare() override;
  asio::awaitable<absl::StatusOr<std::string>> Look(Millis patience, IsBusy is_busy) override;
  void TellReady() override { owner_->OnEngineReady(facts_); }
  void TellDown(const absl::Status& why) override { owner_->OnEngineDown(why); }
  [[nodiscard]] std::string Where() const override { return address_.ToString(); }

  const asio::any_io_executor executor_;
  const EngineAddress address_;
  EngineWatchOwner* const owner_;
  std::unique_ptr<EngineConnection> connection_;
  EngineFacts facts_;
};

}  // namespace cairn::adapter::memcache
