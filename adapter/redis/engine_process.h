// EngineProcess: the engine as a child of the agent, in a private directory, behind a unix socket
// that nobody else can reach, and without persistence: the log is what persists.
//
// The operator's command (`--engine-cmd`) may name a configuration and options; what the agent
// needs is put behind them, where it wins.
//
// An engine that may outlive its agent is found again by its socket at the next start, together
// with its memory: a restart of the agent then costs no copy of the data. Its output goes to a
// file of the directory, since the agent's pipe dies with the agent.
//
// Threads: the engine thread (engine_socket.h). It decides nothing: engine_minder.h does.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/engine_socket.h"
#include "adapter/own_engine.h"

namespace cairn::adapter::redis {

struct EngineProcessOptions {
  std::vector<std::string> command = {"redis-server"};
  std::string directory;  // Made with mode 0700. An absolute path.
  bool outlives_agent = false;
};

class EngineProcess : public OwnEngine {
 public:
  EngineProcess(asio::any_io_executor executor, EngineProcessOptions options);

  // Makes the directory private, then takes over an engine that answers on the socket there, or
  // starts one. It does not answer yet when this returns. Requires: !running().
  // Errors: kFailedPrecondition when an engine that must not live on is still there.
  asio::awaitable<absl::Status> Start(Millis timeout) override;
  // In order: SHUTDOWN NOSAVE, SIGTERM, SIGKILL, `patience` for each of the first two.
  asio::awaitable<void> Stop(Millis patience);

  [[nodiscard]] EngineAddress address() const;

 private:
  asio::awaitable<absl::Status> TakeOver(Millis timeout);
  [[nodiscard]] ChildOptions MakeChildOptions() const;

  asio::any_io_executor executor_;
  const EngineProcessOptions options_;
};

}  // namespace cairn::adapter::redis
