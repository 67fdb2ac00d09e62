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
#include "adapter/child_process.h"
#include "adapter/engine_child.h"
#include "adapter/engine_socket.h"

namespace cairn::adapter::redis {

struct EngineProcessOptions {
  std::vector<std::string> command = {"redis-server"};
  std::string directory;  // Made with mode 0700. An absolute path.
  bool outlives_agent = false;
};

class EngineProcess : public EngineChild {
 public:
  EngineProcess(asio::any_io_executor executor, EngineProcessOptions options);

  // Makes the directory private, then takes over an engine that answers on the socket there, or
  // starts one. It does not answer yet when this returns. Requires: !running().
  // Errors: kFailedPrecondition when an engine that must not live on is still there.
  asio::awaitable<absl::Status> Start(Millis timeout) override;
  [[nodiscard]] bool running() override;
  [[nodiscard]] std::string ending() const override;
  void Kill() override;
  // In order: SHUTDOWN NOSAVE, SIGTERM, SIGKILL, `patience` for each of the first two.
  asio::awaitable<void> Stop(Millis patience);
  asio::awaitable<bool> WaitForEnd(Millis at_most) override;

  [[nodiscard]] EngineAddress address() const;
  [[nodiscard]] pid_t pid() const override { return process_ == nullptr ? 0 : process_->pid(); }

 private:
  asio::awaitable<absl::Status> TakeOver(Millis timeout);
  [[nodiscard]] ChildOptions MakeChildOptions() const;

  asio::any_io_executor executor_;
  const EngineProcessOptions options_;
  std::unique_ptr<ChildProcess> process_;
};

}  // namespace cairn::adapter::redis
