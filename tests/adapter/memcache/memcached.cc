#include "tests/adapter/memcache/memcached.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <thread>

#include "base/check.h"

namespace cairn::adapter::memcache {
namespace {

constexpr std::chrono::milliseconds kPatience{20'000};
constexpr std::chrono::milliseconds kPollEvery{5};

// -1: nobody listens there.
int ConnectTo(const std::string& path) {
  sockaddr_un address{.sun_family = AF_UNIX};
  CHECK_LT(path.size(), sizeof(address.sun_path));
  std::memcpy(address.sun_path, path.data(), path.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK_GE(fd, 0);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return fd;
  close(fd);
  return -1;
}

pid_t StartProgram(const std::vector<std::string>& words) {
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const pid_t pid = fork();
  CHECK_GE(pid, 0);
  if (pid > 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  execvp(argv[0], argv.data());
  _exit(127);
}

}  // namespace

RawConnection::~RawConnection() { close(fd_); }

void RawConnection::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0) return;  // Closed; reading tells.
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

bool RawConnection::Receive() {
  pollfd wait{.fd = fd_, .events = POLLIN};
  CHECK_EQ(poll(&wait, 1, static_cast<int>(kPatience.count())), 1);
  char bytes[16 << 10];
  const ssize_t count = recv(fd_, bytes, sizeof(bytes), 0);
  if (count <= 0) return false;
  input_.append(bytes, static_cast<size_t>(count));
  return true;
}

std::string RawConnection::ReadUntil(std::string_view suffix) {
  while (!input_.ends_with(suffix)) {
    if (!Receive()) break;
  }
  return std::exchange(input_, "");
}

std::string RawConnection::ReadReply(ReplyKind kind) {
  ReplyParser parser;
  std::string reply;
  while (true) {
    std::string_view rest = input_;
    const auto piece = parser.Next(kind, &rest);
    CHECK_EQ(piece.status(), absl::OkStatus());
    if (!piece->has_value()) {
      CHECK(Receive());
      continue;
    }
    reply += (*piece)->bytes;
    const bool ends = (*piece)->ends;
    input_.erase(0, input_.size() - rest.size());
    if (ends) return reply;
  }
}

Memcached::Memcached(const std::vector<std::string>& more) : socket_(directory_.File("engine")) {
  std::vector<std::string> words = {"memcached", "-u", "root", "-s", socket_, "-t", "1"};
  words.insert(words.end(), more.begin(), more.end());
  pid_ = StartProgram(words);
  const auto give_up = std::chrono::steady_clock::now() + kPatience;
  int fd = -1;
  while ((fd = ConnectTo(socket_)) < 0) {
    CHECK(std::chrono::steady_clock::now() < give_up);
    CHECK_EQ(waitpid(pid_, nullptr, WNOHANG), 0);
    std::this_thread::sleep_for(kPollEvery);
  }
  close(fd);
}

Memcached::~Memcached() {
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

std::unique_ptr<RawConnection> Memcached::Connect() {
  const int fd = ConnectTo(socket_);
  CHECK_GE(fd, 0);
  return std::make_unique<RawConnection>(fd);
}

}  // namespace cairn::adapter::memcache
