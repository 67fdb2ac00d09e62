#include "tests/failover/memcached_connection.h"

#include <fmt/format.h>

#include <charconv>
#include <string_view>
#include <utility>

namespace cairn::failover {
namespace {

using adapter::memcache::ReplyKind;
using integration::MemcacheClient;
using Kind = CacheAnswer::Kind;

CacheAnswer ErrorOr(Kind otherwise, const std::string& reply) {
  if (!reply.starts_with("SERVER_ERROR ")) return {otherwise, 0, reply};
  const bool not_done = reply.find("nothing was done") != std::string::npos;
  return {not_done ? Kind::kNotDone : Kind::kUnknown, 0, reply};
}

CacheAnswer NumberIn(std::string_view text, const std::string& reply) {
  CacheAnswer answer{Kind::kNonsense, 0, reply};
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), answer.value);
  if (error == std::errc() && at == text.data() + text.size()) answer.kind = Kind::kDone;
  return answer;
}

}  // namespace

MemcachedConnection::MemcachedConnection(std::unique_ptr<MemcacheClient> client)
    : client_(std::move(client)) {}

std::unique_ptr<MemcachedConnection> MemcachedConnection::Connect(const std::string& host, int port,
                                                                  absl::Duration patience) {
  auto client = MemcacheClient::Connect(fmt::format("{}:{}", host, port), patience);
  if (client == nullptr) return nullptr;
  return std::unique_ptr<MemcachedConnection>(new MemcachedConnection(std::move(client)));
}

std::unique_ptr<MemcachedConnection> MemcachedConnection::ConnectUnix(const std::string& path,
                                                                      absl::Duration patience) {
  auto client = MemcacheClient::ConnectUnix(path, patience);
  if (client == nullptr) return nullptr;
  return std::unique_ptr<MemcachedConnection>(new MemcachedConnection(std::move(client)));
}

std::optional<CacheAnswer> MemcachedConnection::Get(const std::string& key) {
  if (!client_->Send(fmt::format("gets {}\r\n", key))) return std::nullopt;
  const std::optional<std::string> reply = client_->Read(ReplyKind::kValues);
  if (!reply) return std::nullopt;
  const auto item = integration::ReadItem(*reply);
  if (!item) return ErrorOr(Kind::kNonsense, *reply);
  if (!*item) return CacheAnswer{Kind::kDone, 0, ""};
  return NumberIn((**item).value, *reply);
}

std::optional<CacheAnswer> MemcachedConnection::Set(const std::string& key, int64_t value) {
  const std::optional<std::string> reply = client_->Set(key, std::to_string(value));
  if (!reply) return std::nullopt;
  if (*reply == "STORED") return CacheAnswer{Kind::kDone, value, ""};
  return ErrorOr(Kind::kNonsense, *reply);
}

std::optional<CacheAnswer> MemcachedConnection::Increment(const std::string& key) {
  if (!client_->Send(fmt::format("ma {} N0 J1 v\r\n", key))) return std::nullopt;
  const std::optional<std::string> reply = client_->Read(ReplyKind::kMeta);
  if (!reply) return std::nullopt;
  if (!reply->starts_with("VA ")) return ErrorOr(Kind::kNonsense, *reply);
  const size_t value = reply->find("\r\n") + 2;
  return NumberIn(std::string_view(*reply).substr(value, reply->size() - 2 - value), *reply);
}

pid_t MemcachedConnection::ProcessId() {
  constexpr std::string_view kPid = "STAT pid ";
  if (!client_->Send("stats\r\n")) return -1;
  const std::string stats = client_->Read(ReplyKind::kStats).value_or("");
  const size_t at = stats.find(kPid);
  pid_t pid = -1;
  if (at == std::string::npos) return -1;
  std::from_chars(stats.data() + at + kPid.size(), stats.data() + stats.size(), pid);
  return pid;
}

}  // namespace cairn::failover
