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
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "adapter/child_process.h"
#include "adapter/engine_child.h"
#include "adapter/engine_socket.h"

namespace cairn::adapter::memcache {

struct EngineProcessOptions {
  std::vector<std::string> command = {"memcached"};
  std::string directory;  // Made with mode 0700. An absolute path.
};

class EngineProcess : public EngineChild {
 public:
  EngineProcess(asio::any_io_executor executor, EngineProcessOptions options);

  // Errors: kFailedPrecondition when somebody answers on the socket already.
  asio::awaitable<absl::Status> Start(Millis timeout) override;
  [[nodiscard]] bool running() override;
  [[nodiscard]] std::string ending() const override;
  void Kill() override;
  asio::awaitable<bool> WaitForEnd(Millis at_most) override;
  [[nodiscard]] pid_t pid() const override { return process_ == nullptr ? 0 : process_->pid(); }
  // SIGTERM, and SIGKILL after `patience`.
  asio::awaitable<void> Stop(Millis patience);

  [[nodiscard]] EngineAddress address() const;

 private:
  [[nodiscard]] ChildOptions MakeChildOptions() const;

  const asio::any_io_executor executor_;
  const EngineProcessOptions options_;
  std::unique_ptr<ChildProcess> process_;
};

}  // namespace cairn::adapter::memcache
