// BorrowedEngine: an empty engine of somebody else's, into which a cache is restored. It runs on
// this machine, since the sink listens on the loopback only.
//
// It is told to follow, and in the end to lead, with what it was given as its own data. One that
// has keys, or follows somebody, is refused: nothing of anybody's is thrown away. Of its settings
// only the password that it gives its primary is changed, and put back.
//
// Threads: the engine thread. Errors: kFailedPrecondition when it is not empty; those of
// engine_link.h.
#pragma once

#include <asio/any_io_executor.hpp>
#include <string>

#include "adapter/redis/work_engine.h"

namespace cairn::adapter::redis {

class BorrowedEngine : public WorkEngine {
 public:
  BorrowedEngine(asio::any_io_executor executor, EngineAddress address, std::string sink_password);

  asio::awaitable<absl::Status> Start() override;
  // It leads, if it was told to follow, and goes on with what it has.
  asio::awaitable<void> Stop() override;
  // It lives on: Stop needs its link.
  void Kill() override {}

  [[nodiscard]] EngineLink* link() override { return &link_; }
  [[nodiscard]] const EngineVersion& version() const override { return version_; }
  [[nodiscard]] const std::string& sink_password() const override { return sink_password_; }

 private:
  asio::awaitable<absl::StatusOr<std::string>> SetPassword(std::string password);

  EngineLink link_;
  const std::string sink_password_;
  EngineVersion version_;
  std::string former_password_;
  bool set_up_ = false;
};

}  // namespace cairn::adapter::redis
