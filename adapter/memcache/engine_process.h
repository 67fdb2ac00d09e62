// EngineProcess: memcached as a child of the agent, in a private directory, behind a unix socket
// that nobody else can reach.
//
// The operator's command (`--engine-cmd`) may name options; what the agent needs is put behind
// them, where it wins. memcached has no memory that outlives it, and what an engine of an earlier
// agent holds cannot be compared with the log: so it dies with its agent, and begins empty.
//
// Threads: the engine thread (engine_socket.h). It decides nothing: engine_minder.h does.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "adapter/engine_socket.h"
#include "adapter/own_engine.h"

namespace cairn::adapter::memcache {

struct EngineProcessOptions {
  std::vector<std::string> command = {"memcached"};
  std::string directory;  // Made with mode 0700. An absolute path.
  // How many items it will soon have, roughly, as it starts; null: nobody knows.
  std::function<uint64_t()> expected_items;
};

class EngineProcess : public OwnEngine {
 public:
  EngineProcess(asio::any_io_executor executor, EngineProcessOptions options);

  // Errors: kFailedPrecondition when somebody answers on the socket already.
  asio::awaitable<absl::Status> Start(Millis timeout) override;
  // SIGTERM, and SIGKILL after `patience`.
  asio::awaitable<void> Stop(Millis patience) { return Terminate(patience); }

  [[nodiscard]] EngineAddress address() const;

 private:
  [[nodiscard]] ChildOptions MakeChildOptions() const;

  const asio::any_io_executor executor_;
  const EngineProcessOptions options_;
};

}  // namespace cairn::adapter::memcache
