#include "base/page_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <string_view>

namespace cairn {
namespace {

void SayName(const sockaddr_storage& name, std::string& ip, int& port) {
  char text[INET6_ADDRSTRLEN] = "";
  const auto* const v4 = reinterpret_cast<const sockaddr_in*>(&name);
  const auto* const v6 = reinterpret_cast<const sockaddr_in6*>(&name);
  const bool is_v6 = name.ss_family == AF_INET6;
  const void* const bytes =
      is_v6 ? static_cast<const void*>(&v6->sin6_addr) : static_cast<const void*>(&v4->sin_addr);
  if (inet_ntop(name.ss_family, bytes, text, sizeof text) == nullptr) return;
  ip = text;
  port = ntohs(is_v6 ? v6->sin6_port : v4->sin_port);
}

}  // namespace

PageSocket::~PageSocket() {
  stream_.SayGoodbye();
  stream_.Shut();
}

bool PageSocket::ShakeHands(const TlsContext& context) {
  stream_.AcceptTls(context);
  return stream_.ShakeHands(deadline_);
}

ssize_t PageSocket::read(char* bytes, size_t size) {
  if (begin_ == end_) {
    begin_ = 0;
    if (!stream_.ReceiveSome(ahead_, &end_, deadline_)) {
      end_ = 0;
      return -1;
    }
  }
  const size_t taken = std::min(size, end_ - begin_);
  std::memcpy(bytes, ahead_.data() + begin_, taken);
  begin_ += taken;
  return static_cast<ssize_t>(taken);
}

ssize_t PageSocket::write(const char* bytes, size_t size) {
  return stream_.SendAll(std::string_view(bytes, size), deadline_) ? static_cast<ssize_t>(size)
                                                                   : -1;
}

void PageSocket::get_remote_ip_and_port(std::string& ip, int& port) const {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  if (getpeername(socket(), reinterpret_cast<sockaddr*>(&name), &size) == 0) {
    SayName(name, ip, port);
  }
}

void PageSocket::get_local_ip_and_port(std::string& ip, int& port) const {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  if (getsockname(socket(), reinterpret_cast<sockaddr*>(&name), &size) == 0) {
    SayName(name, ip, port);
  }
}

}  // namespace cairn
