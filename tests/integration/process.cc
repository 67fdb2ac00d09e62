#include "tests/integration/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <utility>

#include "base/check.h"

namespace cairn::integration {
namespace {

// Of the strings, for exec; a null pointer ends them.
std::vector<char*> Pointers(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

struct Child {
  const std::string& output;
  int namespace_fd;  // -1: where the parent is.
  char* const* argv;
  char* const* environment;
};

// Only system calls: this is between fork and exec of a process with threads.
[[noreturn]] void RunChild(const Child& child) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // It dies with the test.
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const int out = open(child.output.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  dup2(out, STDOUT_FILENO);
  dup2(out, STDERR_FILENO);
  if (child.namespace_fd < 0 || setns(child.namespace_fd, CLONE_NEWNET) == 0) {
    execve(child.argv[0], child.argv, child.environment);
  }
  _exit(127);
}

}  // namespace

Process::~Process() {
  if (pid_ > 0) Kill();
}

void Process::Start(Command command) {
  CHECK_LT(pid(), 0);
  // All memory is taken before the fork: another thread may hold the heap's lock during it.
  std::vector<std::string> environment = std::move(command.environment);
  for (char** variable = environ; *variable != nullptr; ++variable) {
    environment.emplace_back(*variable);
  }
  const std::vector<char*> argv = Pointers(command.argv);
  const std::vector<char*> envp = Pointers(environment);
  const pid_t child = fork();
  CHECK_GE(child, 0);
  if (child == 0) RunChild({command.output, command.namespace_fd, argv.data(), envp.data()});
  pid_ = child;
}

void Process::Signal(int signal) {
  CHECK_GT(pid(), 0);
  CHECK_EQ(kill(pid_, signal), 0);
}

void Process::Kill() {
  Signal(SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

std::optional<int> Process::AwaitExit(int seconds) {
  CHECK_GT(pid(), 0);
  int status = 0;
  const bool ended = Eventually([&] { return waitpid(pid_, &status, WNOHANG) == pid_; }, seconds);
  if (!ended) return std::nullopt;
  pid_ = -1;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

bool Process::IsRunning() const {
  if (pid() <= 0) return false;
  siginfo_t info{};
  const auto id = static_cast<id_t>(pid());
  return waitid(P_PID, id, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

char StateOfProcess(pid_t pid) {
  const std::string stat = ReadWholeFile(fmt::format("/proc/{}/stat", pid));
  const size_t name_end = stat.rfind(") ");
  return name_end == std::string::npos ? '?' : stat[name_end + 2];
}

std::string ReadWholeFile(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace cairn::integration
