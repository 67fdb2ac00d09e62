// EngineChild: an engine that the agent runs itself, as far as who minds it has to know.
//
// Threads: the engine thread (engine_socket.h).
#pragma once

#include <sys/types.h>

#include <asio/awaitable.hpp>
#include <string>

#include "absl/status/status.h"
#include "adapter/engine_socket.h"

namespace cairn::adapter {

class EngineChild {
 public:
  virtual ~EngineChild() = default;

  // It does not answer yet when this returns. Requires: !running().
  virtual asio::awaitable<absl::Status> Start(Millis timeout) = 0;
  // Was started, and has not ended.
  [[nodiscard]] virtual bool running() = 0;
  // How it ended, for messages; empty while it runs.
  [[nodiscard]] virtual std::string ending() const = 0;
  virtual void Kill() = 0;
  // True: it has ended.
  virtual asio::awaitable<bool> WaitForEnd(Millis at_most) = 0;
  // 0: none.
  [[nodiscard]] virtual pid_t pid() const = 0;
};

}  // namespace cairn::adapter
