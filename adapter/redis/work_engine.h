// WorkEngine: an engine that a log is replayed into: one that is started for it and thrown away
// (scratch_engine.h), or an empty one of somebody else's (borrowed_engine.h).
//
// Threads: the engine thread (engine_socket.h). Lifetime: Stop(), and await it, before it is
// destroyed.
#pragma once

#include <asio/awaitable.hpp>
#include <string>

#include "absl/status/status.h"
#include "adapter/redis/engine_link.h"
#include "adapter/redis/stream_mark.h"

namespace cairn::adapter::redis {

class WorkEngine {
 public:
  virtual ~WorkEngine() = default;
  // Until it answers and may follow a sink.
  virtual asio::awaitable<absl::Status> Start() = 0;
  virtual asio::awaitable<void> Stop() = 0;
  // At once; calls under way fail.
  virtual void Kill() = 0;

  [[nodiscard]] virtual EngineLink* link() = 0;
  // Requires: started.
  [[nodiscard]] virtual const EngineVersion& version() const = 0;
  // What it gives the sink.
  [[nodiscard]] virtual const std::string& sink_password() const = 0;
};

}  // namespace cairn::adapter::redis
