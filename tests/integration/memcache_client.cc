#include "tests/integration/memcache_client.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <sstream>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"

namespace cairn::integration {

using adapter::memcache::ReplyKind;
using adapter::memcache::ReplyParser;

absl::StatusOr<std::optional<std::string>> TakeReply(ReplyKind kind, std::string* input) {
  ReplyParser parser;
  std::string_view rest = *input;
  while (true) {
    ASSIGN_OR_RETURN(const auto piece, parser.Next(kind, &rest));
    if (!piece) return std::optional<std::string>();
    if (!piece->ends) continue;
    const size_t bytes = input->size() - rest.size();
    std::string reply = input->substr(0, bytes);
    input->erase(0, bytes);
    return std::optional(std::move(reply));
  }
}

std::optional<std::optional<MemcacheItem>> ReadItem(const std::string& reply) {
  if (reply == "END\r\n") return std::optional<MemcacheItem>();
  std::istringstream line(reply);
  std::string word;
  size_t bytes = 0;
  MemcacheItem item;
  line >> word;
  if (word != "VALUE") return std::nullopt;
  line >> word >> word >> bytes >> item.cas;
  item.value = reply.substr(reply.find("\r\n") + 2, bytes);
  return std::optional(item);
}

// ---- MemcacheClient -----------------------------------------------------------------------------

MemcacheClient::MemcacheClient(int fd, absl::Duration patience) : fd_(fd) {
  const timeval most = absl::ToTimeval(patience);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most);
}

MemcacheClient::~MemcacheClient() { close(fd_); }

std::unique_ptr<MemcacheClient> MemcacheClient::Connect(const std::string& address,
                                                        absl::Duration patience) {
  const size_t colon = address.rfind(':');
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(colon + 1))));
  CHECK_EQ(inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr), 1);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK_GE(fd, 0);
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  std::unique_ptr<MemcacheClient> client(new MemcacheClient(fd, patience));
  if (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) return nullptr;
  return client;
}

std::unique_ptr<MemcacheClient> MemcacheClient::ConnectUnix(const std::string& path,
                                                            absl::Duration patience) {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  CHECK_LT(path.size(), sizeof to.sun_path);
  std::memcpy(to.sun_path, path.data(), path.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK_GE(fd, 0);
  std::unique_ptr<MemcacheClient> client(new MemcacheClient(fd, patience));
  if (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) return nullptr;
  return client;
}

std::unique_ptr<MemcacheClient> MemcacheClient::ConnectTls(const std::string& address,
                                                           const TlsContext& context,
                                                           absl::Duration patience) {
  // OpenSSL writes without MSG_NOSIGNAL.
  std::signal(SIGPIPE, SIG_IGN);
  std::unique_ptr<MemcacheClient> client = Connect(address, patience);
  if (client == nullptr) return nullptr;
  client->tls_.reset(SSL_new(context.get()));
  CHECK_EQ(SSL_set_fd(client->tls_.get(), client->fd_), 1);
  ExpectHost(client->tls_.get(), HostOf(address));
  return SSL_connect(client->tls_.get()) == 1 ? std::move(client) : nullptr;
}

bool MemcacheClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = tls_ == nullptr
                             ? send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL)
                             : SSL_write(tls_.get(), bytes.data(), static_cast<int>(bytes.size()));
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

void MemcacheClient::EndOutput() { shutdown(fd_, SHUT_WR); }

bool MemcacheClient::Receive() {
  char room[64 << 10];
  const ssize_t bytes =
      tls_ == nullptr ? recv(fd_, room, sizeof room, 0) : SSL_read(tls_.get(), room, sizeof room);
  if (bytes <= 0) return false;
  input_.append(room, static_cast<size_t>(bytes));
  return true;
}

std::optional<std::string> MemcacheClient::Read(ReplyKind kind) {
  while (true) {
    absl::StatusOr<std::optional<std::string>> reply = TakeReply(kind, &input_);
    if (!reply.ok()) return std::nullopt;
    if (reply->has_value()) return *std::move(reply);
    if (!Receive()) return std::nullopt;
  }
}

std::optional<std::string> MemcacheClient::ReadUntil(std::string_view suffix) {
  while (!input_.ends_with(suffix)) {
    if (!Receive()) return std::nullopt;
  }
  return std::exchange(input_, "");
}

std::optional<std::string> MemcacheClient::ReadToEnd() {
  errno = 0;
  while (Receive()) {
  }
  return errno == 0 ? std::optional(std::exchange(input_, "")) : std::nullopt;
}

std::optional<std::string> MemcacheClient::Line(const std::string& command) {
  if (!Send(command + "\r\n")) return std::nullopt;
  std::optional<std::string> reply = Read(ReplyKind::kLine);
  if (reply) reply->resize(reply->size() - 2);
  return reply;
}

std::optional<std::string> MemcacheClient::Set(const std::string& key, const std::string& value) {
  return Line(fmt::format("set {} 0 0 {}\r\n{}", key, value.size(), value));
}

std::optional<std::optional<MemcacheItem>> MemcacheClient::Get(const std::string& key) {
  if (!Send(fmt::format("gets {}\r\n", key))) return std::nullopt;
  const std::optional<std::string> reply = Read(ReplyKind::kValues);
  return reply ? ReadItem(*reply) : std::nullopt;
}

// ---- Without a client ---------------------------------------------------------------------------

std::string AskMemcache(const std::string& address, const std::string& command,
                        const std::string& suffix) {
  const auto client = MemcacheClient::Connect(address);
  if (client == nullptr || !client->Send(command)) return "";
  std::optional<std::string> reply = client->ReadUntil(suffix);
  return reply ? *std::move(reply) : client->unread();
}

std::optional<std::string> GetFrom(const std::string& address, const std::string& key) {
  const auto client = MemcacheClient::Connect(address);
  const auto item = client == nullptr ? std::nullopt : client->Get(key);
  return item && *item ? std::optional((**item).value) : std::nullopt;
}

bool StoreIn(const std::string& address, const std::string& key, const std::string& value,
             int64_t exptime) {
  const std::string command =
      fmt::format("set {} 0 {} {}\r\n{}\r\n", key, exptime, value.size(), value);
  return AskMemcache(address, command) == "STORED\r\n";
}

}  // namespace cairn::integration
