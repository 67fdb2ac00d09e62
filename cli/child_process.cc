#include "cli/child_process.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace cairn::cli {
namespace {

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Later entries of the same name would be ignored by most programs, so ours come first.
std::vector<std::string> MergedEnvironment(std::vector<std::string> merged) {
  for (char** entry = environ; *entry != nullptr; ++entry) merged.emplace_back(*entry);
  return merged;
}

}  // namespace

absl::StatusOr<ChildProcess> ChildProcess::Start(const std::vector<std::string>& command,
                                                 const std::vector<std::string>& environment,
                                                 int stdout_fd) {
  std::vector<std::string> arguments = command;
  std::vector<std::string> variables = MergedEnvironment(environment);
  const std::vector<char*> argv = Pointers(arguments);
  const std::vector<char*> envp = Pointers(variables);
  const std::string complaint = fmt::format("cairn: cannot run {}\n", command.front());
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) {
    return absl::InternalError(fmt::format("no process can be started: {}", std::strerror(errno)));
  }
  if (pid == 0) {  // Other threads' locks may be held here: system calls only.
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (stdout_fd >= 0) ::dup2(stdout_fd, STDOUT_FILENO);
    if (::getppid() != parent) ::_exit(127);  // The parent died before the prctl.
    ::execvpe(argv[0], argv.data(), envp.data());
    const ssize_t told = ::write(STDERR_FILENO, complaint.data(), complaint.size());
    static_cast<void>(told);  // There is nobody else to tell.
    ::_exit(127);
  }
  ::setpgid(pid, pid);  // In both, so that the group exists whoever runs first.
  return ChildProcess(pid);
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  std::swap(pid_, other.pid_);
  return *this;
}

std::optional<int> ChildProcess::Poll() {
  int status = 0;
  if (pid_ < 0 || ::waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
  return Ended(status);
}

int ChildProcess::Await() {
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  return Ended(status);
}

int ChildProcess::Ended(int status) {
  ::kill(-std::exchange(pid_, -1), SIGKILL);  // What it left in its group goes with it.
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void ChildProcess::Kill() {
  if (pid_ < 0) return;
  ::kill(-pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void ChildProcess::Terminate(absl::Duration grace) {
  if (pid_ < 0) return;
  ::kill(-pid_, SIGTERM);
  const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  if (pidfd >= 0) {
    pollfd ended{.fd = pidfd, .events = POLLIN, .revents = 0};
    ::poll(&ended, 1, static_cast<int>(absl::ToInt64Milliseconds(grace)));
    ::close(pidfd);
  }
  Kill();
}

}  // namespace cairn::cli
