#include "server/runtime/front_door.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/status_macros.h"
#include "server/runtime/peer_frames.h"

namespace cairn::server {
namespace {

constexpr size_t kMaxWaiting = 1024;
constexpr int kSilenceMs = 10'000;
constexpr int kAcceptPauseMs = static_cast<int>(AcceptPause::kPauseUs / kMicrosPerMilli);

MonoMicros Now() { return SystemClock().Mono(); }

}  // namespace

absl::StatusOr<std::unique_ptr<FrontDoor>> FrontDoor::Listen(const std::string& address) {
  ASSIGN_OR_RETURN(Listening listening, ListenTcp(address));
  return std::unique_ptr<FrontDoor>(new FrontDoor(std::move(listening), address));
}

FrontDoor::~FrontDoor() { Stop(); }

void FrontDoor::Open(Hand on_peer, Hand on_client) {
  CHECK(!thread_.joinable());
  on_peer_ = std::move(on_peer);
  on_client_ = std::move(on_client);
  thread_ = std::thread([this] { Run(); });
}

void FrontDoor::Stop() {
  wake_.Signal();
  if (thread_.joinable()) thread_.join();
  waiting_.clear();
  listening_.sockets.clear();
}

void FrontDoor::Run() {
  while (Turn()) {
  }
}

bool FrontDoor::Turn() {
  const MonoMicros now = Now();
  const bool accepting = now >= accept_again_at_;
  std::vector<pollfd> polled = {{.fd = wake_.get(), .events = POLLIN, .revents = 0}};
  for (const Fd& socket : listening_.sockets) {
    const auto events = static_cast<int16_t>(accepting ? POLLIN : 0);
    polled.push_back({.fd = socket.get(), .events = events, .revents = 0});
  }
  const size_t first_waiting = polled.size();
  for (const Waiting& waiting : waiting_) {
    polled.push_back({.fd = waiting.socket.get(), .events = POLLIN, .revents = 0});
  }
  const int timeout_ms = !accepting ? kAcceptPauseMs : waiting_.empty() ? -1 : kSilenceMs;
  if (poll(polled.data(), polled.size(), timeout_ms) < 0) return true;  // A signal.
  if (polled[0].revents != 0) return false;

  std::deque<Waiting> silent;
  for (size_t i = 0; i < waiting_.size(); ++i) {
    const bool spoke = polled[first_waiting + i].revents != 0 && Sort(waiting_[i]);
    if (!spoke) silent.push_back(std::move(waiting_[i]));
  }
  waiting_ = std::move(silent);
  for (size_t i = 1; i < first_waiting; ++i) {
    if (polled[i].revents != 0) Accept(polled[i].fd);
  }
  while (!waiting_.empty() && (waiting_.size() > kMaxWaiting ||
                               Now() - waiting_.front().since >= kSilenceMs * kMicrosPerMilli)) {
    on_client_(std::move(waiting_.front().socket), waiting_.front().listener);
    waiting_.pop_front();
  }
  return true;
}

void FrontDoor::Accept(int listener) {
  while (true) {
    Fd socket(accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket) {
      // Most often that nobody else is there.
      if (errno != EAGAIN) {
        const std::error_code why(errno, std::system_category());
        accept_again_at_ = Now() + pause_.OnFailure(why, Now());
      }
      return;
    }
    const int on = 1;
    (void)setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Waiting waiting{.socket = std::move(socket), .listener = listener, .since = Now()};
    // Most have spoken by now.
    if (!Sort(waiting)) waiting_.push_back(std::move(waiting));
  }
}

bool FrontDoor::Sort(Waiting& waiting) {
  char first[kPeerMagic.size()];
  const ssize_t got = recv(waiting.socket.get(), first, sizeof first, MSG_PEEK | MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (got <= 0) {
    waiting.socket.Reset();
  } else if (std::string_view(first, static_cast<size_t>(got)) == kPeerMagic) {
    on_peer_(std::move(waiting.socket), waiting.listener);
  } else {
    on_client_(std::move(waiting.socket), waiting.listener);
  }
  return true;
}

}  // namespace cairn::server
