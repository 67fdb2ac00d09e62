#include "server/runtime/tcp_probe.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

namespace cairn::server {
namespace {

using Addresses = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

Addresses Resolve(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) return {nullptr, freeaddrinfo};
  std::string host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), address.c_str() + colon + 1, &hints, &found) != 0) {
    return {nullptr, freeaddrinfo};
  }
  return {found, freeaddrinfo};
}

// The error of a connection that was begun: 0 once it stands, ETIMEDOUT when it takes longer.
int FinishConnect(int socket, int timeout_ms) {
  pollfd waiting{.fd = socket, .events = POLLOUT, .revents = 0};
  if (poll(&waiting, 1, timeout_ms) <= 0) return ETIMEDOUT;
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
  return error;
}

ProbeResult Connect(const addrinfo& target, int timeout_ms) {
  const int fd = socket(target.ai_family, target.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                        target.ai_protocol);
  if (fd < 0) return ProbeResult::kUnreachable;
  int error = 0;
  if (connect(fd, target.ai_addr, target.ai_addrlen) != 0) {
    error = errno == EINPROGRESS ? FinishConnect(fd, timeout_ms) : errno;
  }
  close(fd);
  if (error == 0) return ProbeResult::kListening;
  return error == ECONNREFUSED ? ProbeResult::kRefused : ProbeResult::kUnreachable;
}

}  // namespace

ProbeResult ProbeTcp(const std::string& address, int timeout_ms) {
  // "Refused" needs every address of the name to refuse; one that listens is enough.
  ProbeResult result = ProbeResult::kUnreachable;
  const Addresses addresses = Resolve(address);
  for (const addrinfo* at = addresses.get(); at != nullptr; at = at->ai_next) {
    const ProbeResult one = Connect(*at, timeout_ms);
    if (one == ProbeResult::kListening) return one;
    if (at == addresses.get() || one == ProbeResult::kUnreachable) result = one;
  }
  return result;
}

}  // namespace cairn::server
