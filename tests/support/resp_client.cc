#include "tests/support/resp_client.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <string_view>

#include "base/check.h"

namespace cairn::testing {
namespace {

using adapter::redis::ReadRespValue;
using adapter::redis::ReplyPiece;
using adapter::redis::RespValue;

constexpr timeval kPatience{.tv_sec = 20, .tv_usec = 0};

}  // namespace

std::unique_ptr<RespClient> RespClient::Connect(const std::string& address) {
  const size_t colon = address.rfind(':');
  CHECK_NE(colon, std::string::npos);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(colon + 1))));
  CHECK_EQ(inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr), 1);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK_GE(fd, 0);
  std::unique_ptr<RespClient> client(new RespClient(fd));
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) return nullptr;
  return client;
}

RespClient::~RespClient() { close(fd_); }

bool RespClient::Send(const std::vector<std::string>& argv) {
  std::string command = fmt::format("*{}\r\n", argv.size());
  for (const std::string& word : argv) command += fmt::format("${}\r\n{}\r\n", word.size(), word);
  return send(fd_, command.data(), command.size(), MSG_NOSIGNAL) == ssize_t(command.size());
}

std::optional<RespValue> RespClient::Next() {
  while (true) {
    std::string_view rest = input_;
    while (!rest.empty()) {
      const absl::StatusOr<ReplyPiece> piece = scanner_.Next(&rest);
      if (!piece.ok()) return std::nullopt;
      partial_ += piece->bytes;
      if (!piece->ends) continue;
      absl::StatusOr<RespValue> value = ReadRespValue(partial_);
      partial_.clear();
      input_.erase(0, input_.size() - rest.size());
      if (!value.ok()) return std::nullopt;
      return *std::move(value);
    }
    input_.clear();
    char buffer[16384];
    const ssize_t bytes = recv(fd_, buffer, sizeof buffer, 0);
    if (bytes <= 0) return std::nullopt;
    input_.assign(buffer, static_cast<size_t>(bytes));
  }
}

std::optional<RespValue> RespClient::Do(const std::vector<std::string>& argv) {
  if (!Send(argv)) return std::nullopt;
  return Next();
}

}  // namespace cairn::testing
