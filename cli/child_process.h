// ChildProcess: a command that runs only as long as we let it.
//
// It gets a process group of its own, so that killing it takes its children along,
// and dies with this process (PR_SET_PDEATHSIG).
// Threads: the one that started it. The destructor kills what still runs.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace cairn::cli {

class ChildProcess {
 public:
  // Runs `command` (searched for in PATH) with our environment and `environment` ("KEY=value")
  // on top. `stdout_fd`: becomes its standard output; -1: it has ours. Errors: kInternal if no
  // process can be made. A command that cannot be executed shows as exit status 127, as in a shell.
  static absl::StatusOr<ChildProcess> Start(const std::vector<std::string>& command,
                                            const std::vector<std::string>& environment,
                                            int stdout_fd = -1);

  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  ~ChildProcess() { Kill(); }

  // The exit status once it has ended, 128 + N if signal N ended it; nullopt while it runs.
  std::optional<int> Poll();
  // The same, once it has ended. Requires: it was not waited for.
  int Await();
  // SIGKILL to the whole group, at once; returns when the child is gone.
  void Kill();
  // SIGTERM to the group, and Kill() for what is left after `grace`.
  void Terminate(absl::Duration grace);

 private:
  // After waitpid.
  int Ended(int status);
  explicit ChildProcess(pid_t pid) : pid_(pid) {}

  pid_t pid_ = -1;  // -1: ended and waited for.
};

}  // namespace cairn::cli
