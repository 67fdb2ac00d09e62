#include "adapter/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

// glibc 2.36 forgot that C++ reads it, too.
extern "C" {
#include <sys/pidfd.h>
}

#include <array>
#include <asio/buffer.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

namespace cairn::adapter {
namespace {

// A longer line of output is logged in pieces.
constexpr size_t kMaxLineBytes = 4096;

absl::Status SystemStatus(int error, std::string_view what) {
  const std::string text = fmt::format("{}: {}", what, std::strerror(error));
  return error == ENOENT ? absl::NotFoundError(text) : absl::UnavailableError(text);
}

struct Pipe {
  int read_end = -1;
  int write_end = -1;
};

absl::StatusOr<Pipe> MakePipe() {
  std::array<int, 2> ends;
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return SystemStatus(errno, "pipe");
  return Pipe{ends[0], ends[1]};
}

struct ChildPlan {
  std::vector<char*> argv;
  const char* directory;
  int output;
  int failure;  // Where the errno goes when the program cannot be run.
  pid_t agent;
  bool outlives_agent;
};

[[noreturn]] void FailChild(int failure) {
  const int error = errno;
  const ssize_t written = write(failure, &error, sizeof error);
  _exit(written == sizeof error ? 127 : 126);
}

// Between fork and exec: only what is safe after the fork of a process with threads.
[[noreturn]] void RunChild(const ChildPlan& plan) {
  // 0, 1, 2, the failure's descriptor as 3, and nothing else: Asio's sockets are inherited.
  constexpr int kFailure = 3;
  const int null = open("/dev/null", O_RDONLY);
  const int output = fcntl(plan.output, F_DUPFD, 10);
  const int failure = fcntl(plan.failure, F_DUPFD, 10);
  if (null < 0 || output < 0 || failure < 0) FailChild(plan.failure);
  if (dup2(null, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0 ||
      dup3(failure, kFailure, O_CLOEXEC) < 0) {
    FailChild(failure);
  }
  if (close_range(kFailure + 1, ~0U, 0) != 0) FailChild(kFailure);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  setsid();
  if (!plan.outlives_agent) {
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) FailChild(kFailure);
    if (getppid() != plan.agent) _exit(125);  // It died before the promise was made.
  }
  if (plan.directory[0] != '\0' && chdir(plan.directory) != 0) FailChild(kFailure);
  execvp(plan.argv[0], plan.argv.data());
  FailChild(kFailure);
}

// The child's output, line by line, into the log, until it has closed it.
asio::awaitable<void> LogOutput(asio::posix::stream_descriptor output, std::string name) {
  std::string line;
  std::array<char, 4096> buffer;
  while (true) {
    std::error_code error;
    const size_t bytes = co_await output.async_read_some(
        asio::buffer(buffer), asio::redirect_error(asio::use_awaitable, error));
    for (const char c : std::string_view(buffer.data(), error ? 0 : bytes)) {
      if (c != '\n') line.push_back(c);
      if (line.empty() || (c != '\n' && line.size() < kMaxLineBytes)) continue;
      spdlog::info("{}: {}", name, line);
      line.clear();
    }
    if (error) break;
  }
  if (!line.empty()) spdlog::info("{}: {}", name, line);
}

// Waits until the child has become the program. Zero, or why it could not.
int ReadFailure(int failure) {
  int error = 0;
  ssize_t bytes = 0;
  do {
    bytes = read(failure, &error, sizeof error);
  } while (bytes < 0 && errno == EINTR);
  return bytes == sizeof error ? error : 0;
}

}  // namespace

ChildProcess::ChildProcess(const asio::any_io_executor& executor, pid_t pid, int pidfd, bool own)
    : pid_(pid), own_(own), pidfd_(executor, pidfd) {}

absl::StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::Start(
    const asio::any_io_executor& executor, const ChildOptions& options) {
  absl::StatusOr<Pipe> output = MakePipe();
  if (!output.ok()) return output.status();
  asio::posix::stream_descriptor reader(executor, output->read_end);
  const absl::StatusOr<Pipe> failure = MakePipe();
  if (!failure.ok()) {
    close(output->write_end);
    return failure.status();
  }
  ChildPlan plan{{},
                 options.working_directory.c_str(),
                 output->write_end,
                 failure->write_end,
                 getpid(),
                 options.outlives_agent};
  for (const std::string& argument : options.argv) {
    plan.argv.push_back(const_cast<char*>(argument.c_str()));
  }
  plan.argv.push_back(nullptr);

  const pid_t pid = fork();
  if (pid == 0) RunChild(plan);
  const int fork_error = errno;
  close(output->write_end);
  close(failure->write_end);
  const int error = pid < 0 ? fork_error : ReadFailure(failure->read_end);
  close(failure->read_end);
  if (error != 0) {
    if (pid > 0) waitpid(pid, nullptr, 0);
    return SystemStatus(error, "running " + options.argv.front());
  }
  const int pidfd = pidfd_open(pid, 0);
  if (pidfd < 0) {
    const int pidfd_error = errno;
    kill(pid, SIGKILL);  // Not waited for yet, so that the number is still the child's.
    waitpid(pid, nullptr, 0);
    return SystemStatus(pidfd_error, "pidfd_open");
  }
  Spawn(executor, LogOutput(std::move(reader), options.log_name));
  return std::unique_ptr<ChildProcess>(new ChildProcess(executor, pid, pidfd, true));
}

absl::StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::Find(
    const asio::any_io_executor& executor, pid_t pid) {
  const int pidfd = pidfd_open(pid, 0);
  if (pidfd < 0) return SystemStatus(errno, fmt::format("process {}", pid));
  return std::unique_ptr<ChildProcess>(new ChildProcess(executor, pid, pidfd, false));
}

bool ChildProcess::ended() {
  if (ended_) return true;
  pollfd poll_fd{pidfd_.native_handle(), POLLIN, 0};
  if (poll(&poll_fd, 1, 0) <= 0) return false;
  ended_ = true;
  siginfo_t info{};
  const auto id = static_cast<id_t>(pidfd_.native_handle());
  if (!own_ || waitid(P_PIDFD, id, &info, WEXITED) != 0) {
    ending_ = "ended";
  } else if (info.si_code == CLD_EXITED) {
    ending_ = fmt::format("exit code {}", info.si_status);
  } else {
    ending_ = fmt::format("signal {}", info.si_status);
  }
  return true;
}

void ChildProcess::Signal(int signal) {
  // Fails when it has ended, which is what the signal is for.
  if (!ended_) pidfd_send_signal(pidfd_.native_handle(), signal, nullptr, 0);
}

asio::awaitable<bool> ChildProcess::WaitForEnd(Millis at_most) {
  if (ended()) co_return true;
  asio::steady_timer timer(pidfd_.get_executor(), at_most);
  timer.async_wait([this](const std::error_code& error) {
    if (!error) pidfd_.cancel();
  });
  std::error_code ignored;
  co_await pidfd_.async_wait(asio::posix::stream_descriptor::wait_read,
                             asio::redirect_error(asio::use_awaitable, ignored));
  co_return ended();
}

}  // namespace cairn::adapter
