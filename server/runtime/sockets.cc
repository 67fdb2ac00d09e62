#include "server/runtime/sockets.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "base/check.h"
#include "base/socket_stream.h"
#include "base/strings.h"

namespace cairn::server {
namespace {

constexpr int kBacklog = 1024;
// A connection whose data nobody acknowledges for this long is dead.
constexpr int kUserTimeoutMs = 3000;
// The same for one that is silent, in seconds: when to ask first, how often, how many times.
constexpr int kKeepIdleS = 2;
constexpr int kKeepIntervalS = 1;
constexpr int kKeepCount = 3;

using Addresses = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

Addresses Resolve(const std::string& address, int flags) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) return {nullptr, freeaddrinfo};
  std::string host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.empty() ? nullptr : host.c_str(), address.c_str() + colon + 1,
                                &hints, &found);
  return {error == 0 ? found : nullptr, freeaddrinfo};
}

Fd MakeSocket(const addrinfo& target) {
  return Fd(socket(target.ai_family, target.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                   target.ai_protocol));
}

void Set(int socket, int level, int option, int value) {
  // Fails only on a socket of another kind, or one that has just died.
  (void)setsockopt(socket, level, option, &value, sizeof value);
}

// The error of a connection that was begun: 0 once it stands, ETIMEDOUT when it takes longer.
int FinishConnect(int socket, int timeout_ms) {
  if (!AwaitSocket(socket, /*writable=*/true, timeout_ms)) return ETIMEDOUT;
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
  return error;
}

int Connect(const addrinfo& target, int timeout_ms, Fd& out) {
  Fd made = MakeSocket(target);
  if (!made) return errno;
  int error = 0;
  if (connect(made.get(), target.ai_addr, target.ai_addrlen) != 0) {
    error = errno == EINPROGRESS ? FinishConnect(made.get(), timeout_ms) : errno;
  }
  if (error == 0) out = std::move(made);
  return error;
}

int PortOf(int socket) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&name), &size) != 0) return 0;
  return ntohs(name.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&name)->sin6_port
                                          : reinterpret_cast<sockaddr_in*>(&name)->sin_port);
}

// What failed, or error 0.
struct Failure {
  const char* step = "";
  int error = 0;
};

// `alone`: no other address is listened on, so that "::" has to serve IPv4 too.
Failure Listen(const addrinfo& target, bool alone, Fd& out) {
  Fd made = MakeSocket(target);
  if (!made) return {"socket", errno};
  Set(made.get(), SOL_SOCKET, SO_REUSEADDR, 1);  // Connections of the last run may linger.
  if (target.ai_family == AF_INET6) Set(made.get(), IPPROTO_IPV6, IPV6_V6ONLY, alone ? 0 : 1);
  if (bind(made.get(), target.ai_addr, target.ai_addrlen) != 0) return {"bind", errno};
  if (listen(made.get(), kBacklog) != 0) return {"listen", errno};
  out = std::move(made);
  return {};
}

}  // namespace

WakeFd::WakeFd() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) { CHECK(fd_); }

void WakeFd::Signal() {
  const uint64_t one = 1;
  // Full means that it is signalled already.
  (void)!write(fd_.get(), &one, sizeof one);
}

void WakeFd::Clear() {
  uint64_t count = 0;
  (void)!read(fd_.get(), &count, sizeof count);
}

absl::StatusOr<Listening> ListenTcp(const std::string& address) {
  const Addresses addresses = Resolve(address, AI_PASSIVE);
  if (addresses == nullptr) {
    return absl::UnavailableError(
        fmt::format("cannot listen on {}: it does not resolve, want host:port", address));
  }
  Listening listening;
  const bool alone = addresses->ai_next == nullptr;
  for (const addrinfo* at = addresses.get(); at != nullptr; at = at->ai_next) {
    Fd socket;
    const Failure failure = Listen(*at, alone, socket);
    if (failure.error == 0) {
      if (listening.port == 0) listening.port = PortOf(socket.get());
      listening.sockets.push_back(std::move(socket));
      continue;
    }
    // An address that this host does not have (IPv6 may be off) matters only if none works. One
    // that somebody else has always does: some clients would reach that process instead.
    const bool last_hope = listening.sockets.empty() && at->ai_next == nullptr;
    if (!last_hope && failure.error != EADDRINUSE) continue;
    return absl::UnavailableError(
        fmt::format("cannot listen on {}: {}: {}", address, failure.step, strerror(failure.error)));
  }
  return listening;
}

Connecting ConnectTcp(const std::string& address, int timeout_ms) {
  Connecting result;
  const Addresses addresses = Resolve(address, 0);
  result.refused = addresses != nullptr;
  for (const addrinfo* at = addresses.get(); at != nullptr; at = at->ai_next) {
    const int error = Connect(*at, timeout_ms, result.socket);
    if (error == 0) break;
    result.refused = result.refused && error == ECONNREFUSED;
  }
  if (result.socket) result.refused = false;
  return result;
}

void TunePeerSocket(int socket) {
  Set(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  Set(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, kUserTimeoutMs);
  Set(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  Set(socket, IPPROTO_TCP, TCP_KEEPIDLE, kKeepIdleS);
  Set(socket, IPPROTO_TCP, TCP_KEEPINTVL, kKeepIntervalS);
  Set(socket, IPPROTO_TCP, TCP_KEEPCNT, kKeepCount);
}

}  // namespace cairn::server
