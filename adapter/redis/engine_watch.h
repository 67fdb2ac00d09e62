// EngineWatch: minds the engine of a Redis or Valkey (engine_minder.h): sets it up when it comes,
// and reads INFO again and again. An error ("-BUSY", "-LOADING") is a sign of life, too: it is what
// everybody gets from the fifth second of a script.
//
// Threads: the engine thread (engine_socket.h). Lifetime: as EngineMinder.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "adapter/engine_minder.h"
#include "adapter/engine_socket.h"
#include "adapter/redis/engine_facts.h"
#include "adapter/redis/engine_link.h"
#include "adapter/redis/engine_process.h"

namespace cairn::adapter::redis {

class EngineWatchOwner {
 public:
  virtual ~EngineWatchOwner() = default;
  // Before an engine counts as ready: set up what must be. An error: it counts as down.
  virtual asio::awaitable<absl::Status> PrepareEngine(EngineLink* link, EngineFacts facts) = 0;
  // It answers, with these facts. Told once until the next down.
  virtual void OnEngineReady(const EngineFacts& facts) = 0;
  // Told once after each ready, and once at the start if the engine does not come.
  virtual void OnEngineDown(const absl::Status& why) = 0;
};

class EngineWatch : public EngineMinder {
 public:
  // `process`: null in attach mode. Owner and process outlive this.
  EngineWatch(asio::any_io_executor executor, EngineAddress address, EngineProcess* process,
              EngineWatchOwner* owner, EngineMinderOptions options);

  // For commands of the caller; connected while the engine is ready.
  [[nodiscard]] EngineLink* link() { return &link_; }
  // It answered the last look with an error, as everybody: a script or a load keeps it busy.
  [[nodiscard]] bool busy() const { return busy_; }
  // Of the last look.
  [[nodiscard]] const EngineFacts& facts() const { return facts_; }

 private:
  asio::awaitable<absl::Status> Connect(Millis patience) override;
  void Close() override { link_.Close(); }
  asio::awaitable<absl::StatusOr<std::string>> Identify(Millis patience) override;
  asio::awaitable<absl::Status> Prepare() override;
  asio::awaitable<absl::StatusOr<std::string>> Look(Millis patience, IsBusy is_busy) override;
  void TellReady() override { owner_->OnEngineReady(facts_); }
  void TellDown(const absl::Status& why) override { owner_->OnEngineDown(why); }
  [[nodiscard]] std::string Where() const override { return link_.address().ToString(); }

  EngineWatchOwner* const owner_;
  EngineLink link_;
  EngineFacts facts_;
  bool busy_ = false;
};

}  // namespace cairn::adapter::redis
