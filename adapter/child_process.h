// ChildProcess: a program that the agent has started, or one that it found again.
//
// It is held by a pidfd, not by its number, so that a signal never reaches another process that
// got the same number later. A child gets a session of its own (a terminal's Ctrl-C is for the
// agent, which stops its engine in order), no descriptor of the agent but the output, and, unless
// it may outlive the agent, the kernel's promise to kill it when the agent dies.
//
// The kernel ties that promise to the *thread* that started the child: the engine thread, which
// lives as long as the agent.
//
// Threads: the engine thread (engine_socket.h). Lifetime: destroying it leaves the process alone.
#pragma once

#include <sys/types.h>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/engine_socket.h"

namespace cairn::adapter {

struct ChildOptions {
  std::vector<std::string> argv;  // The program is looked for in PATH.
  std::string working_directory;
  bool outlives_agent = false;
  // Stands before each line of the child's output in the agent's log.
  std::string log_name;
};

class ChildProcess {
 public:
  // Errors: kNotFound and others, when the program cannot be run.
  static absl::StatusOr<std::unique_ptr<ChildProcess>> Start(const asio::any_io_executor& executor,
                                                             const ChildOptions& options);
  // A process that runs already. The caller must make sure afterwards that it is the one it means.
  static absl::StatusOr<std::unique_ptr<ChildProcess>> Find(const asio::any_io_executor& executor,
                                                            pid_t pid);

  [[nodiscard]] pid_t pid() const { return pid_; }
  // It has ended (and is waited for, if it is a child).
  [[nodiscard]] bool ended();
  // How it ended, for messages. Requires: ended().
  [[nodiscard]] const std::string& ending() const { return ending_; }
  void Signal(int signal);
  // Until it has ended, or that long. True: it has. One at a time.
  asio::awaitable<bool> WaitForEnd(Millis at_most);

 private:
  ChildProcess(const asio::any_io_executor& executor, pid_t pid, int pidfd, bool own);

  const pid_t pid_;
  const bool own_;
  asio::posix::stream_descriptor pidfd_;
  bool ended_ = false;
  std::string ending_;
};

}  // namespace cairn::adapter
