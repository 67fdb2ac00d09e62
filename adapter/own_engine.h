// OwnEngine: what engines of all kinds have in common as processes of an agent: one is there, has
// ended, and ends when it is told so.
//
// Threads: the engine thread (engine_socket.h). Lifetime: destroying it leaves the process alone.
#pragma once

#include <asio/awaitable.hpp>
#include <memory>
#include <string>

#include "adapter/child_process.h"
#include "adapter/engine_child.h"
#include "adapter/engine_socket.h"

namespace cairn::adapter {

class OwnEngine : public EngineChild {
 public:
  [[nodiscard]] bool running() override;
  [[nodiscard]] std::string ending() const override;
  void Kill() override;
  asio::awaitable<bool> WaitForEnd(Millis at_most) override;
  [[nodiscard]] pid_t pid() const override { return process_ == nullptr ? 0 : process_->pid(); }

 protected:
  // SIGTERM, and SIGKILL after `patience`.
  asio::awaitable<void> Terminate(Millis patience);

  std::unique_ptr<ChildProcess> process_;  // Null: none was started, or found.
};

}  // namespace cairn::adapter
