// Process: a program that a test starts, signals and waits for.
//
// It dies with the test, however that ends. Its output is appended to a file.
//
// Threads: one, but for pid(). Lifetime: the destructor kills what still runs.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace cairn::integration {

// Calls `done` every few ms until it returns true; false after `seconds`.
template <class Condition>
bool Eventually(Condition done, int seconds = 60) {
  const absl::Time give_up = absl::Now() + absl::Seconds(seconds);
  while (!done()) {
    if (absl::Now() > give_up) return false;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return true;
}

class Process {
 public:
  struct Command {
    std::vector<std::string> argv;         // The first is the program's path.
    std::vector<std::string> environment;  // "KEY=value", before our own.
    std::string output;                    // File of stdout and stderr.
    int namespace_fd = -1;                 // Of the network namespace; -1: ours.
  };

  Process() = default;
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Requires: it does not run, or has been waited for.
  void Start(Command command);
  // Requires: it was started and not waited for.
  void Signal(int signal);
  // SIGKILL, and waits for the end.
  void Kill();
  // The exit status (128 + N for signal N) of a process that ends by itself within `seconds`.
  std::optional<int> AwaitExit(int seconds = 60);
  [[nodiscard]] bool IsRunning() const;
  // -1: not running, or waited for. From any thread.
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  std::atomic<pid_t> pid_ = -1;
};

// The letter of /proc/PID/stat: T is stopped; '?': there is no such process.
char StateOfProcess(pid_t pid);

// A file's bytes; empty when there is none.
std::string ReadWholeFile(const std::string& path);

}  // namespace cairn::integration
