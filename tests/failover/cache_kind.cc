#include "tests/failover/cache_kind.h"

#include <fmt/format.h>
#include <httplib.h>

#include <algorithm>
#include <charconv>

#include "tests/failover/memcached_connection.h"
#include "tests/failover/redis_connection.h"

namespace cairn::failover {
namespace {

using Connection = std::unique_ptr<CacheConnection>;

// What stands behind `start` to the end of the line; empty: no line begins so.
std::string RestOfLine(std::string_view text, std::string_view start) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (!line.starts_with(start)) continue;
    const std::string_view rest = line.substr(start.size());
    return std::string(rest.substr(0, rest.find('\r')));
  }
  return "";
}

uint64_t Number(const std::string& text) {
  uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

class Redis : public CacheKind {
 public:
  [[nodiscard]] std::string name() const override { return "redis"; }
  // Its agents cut who cannot be told more.
  [[nodiscard]] bool MayNotKnow(const CacheAnswer&) const override { return false; }
  [[nodiscard]] std::vector<std::string> AgentFlags(const AgentPlace&) const override { return {}; }

  [[nodiscard]] Connection Connect(const AgentPlace& place,
                                   absl::Duration patience) const override {
    return RedisConnection::Connect(place.host, place.port, patience);
  }
  // Who says so on that very connection stays so for as long as it lives: an agent that is deposed
  // cuts its clients.
  [[nodiscard]] Connection ConnectWriter(const AgentPlace& place,
                                         absl::Duration patience) const override {
    auto connection = RedisConnection::Connect(place.host, place.port, patience);
    if (connection == nullptr || !connection->IsPrimary()) return nullptr;
    return connection;
  }
  [[nodiscard]] Connection ConnectReplica(const AgentPlace& place,
                                          absl::Duration patience) const override {
    return Connect(place, patience);
  }
  [[nodiscard]] std::optional<AgentView> View(const AgentPlace& place,
                                              absl::Duration patience) const override {
    const auto connection = RedisConnection::Connect(place.host, place.port, patience);
    if (connection == nullptr) return std::nullopt;
    const std::optional<RedisReply> info = connection->Do({"CAIRN", "INFO"});
    if (!info || info->error()) return std::nullopt;
    return AgentView{RestOfLine(info->text, "role:"), Number(RestOfLine(info->text, "epoch:"))};
  }
  [[nodiscard]] pid_t EnginePid(const AgentPlace& place, absl::Duration patience) const override {
    const auto engine = RedisConnection::ConnectUnix(place.engine_socket(), patience);
    if (engine == nullptr) return -1;
    const std::optional<RedisReply> info = engine->Do({"INFO", "server"});
    if (!info || info->error()) return -1;
    return static_cast<pid_t>(Number(RestOfLine(info->text, "process_id:")));
  }
  [[nodiscard]] bool hands_over() const override { return true; }
  void HandOver(const AgentPlace& place, absl::Duration patience) const override {
    const auto connection = RedisConnection::Connect(place.host, place.port, patience);
    if (connection != nullptr) connection->Do({"CAIRN", "HANDOVER"});
  }
};

class Memcached : public CacheKind {
 public:
  [[nodiscard]] std::string name() const override { return "memcached"; }
  [[nodiscard]] bool MayNotKnow(const CacheAnswer& answer) const override {
    return answer.kind == CacheAnswer::Kind::kUnknown;
  }
  [[nodiscard]] std::vector<std::string> AgentFlags(const AgentPlace& place) const override {
    return {"--metrics-listen", fmt::format("{}:{}", place.host, place.pages_port)};
  }
  [[nodiscard]] Connection Connect(const AgentPlace& place,
                                   absl::Duration patience) const override {
    return MemcachedConnection::Connect(place.host, place.port, patience);
  }
  [[nodiscard]] Connection ConnectWriter(const AgentPlace& place,
                                         absl::Duration patience) const override {
    return Connect(place, patience);
  }
  [[nodiscard]] Connection ConnectReplica(const AgentPlace& place,
                                          absl::Duration patience) const override {
    return MemcachedConnection::ConnectUnix(place.engine_socket(), patience);
  }
  [[nodiscard]] std::optional<AgentView> View(const AgentPlace& place,
                                              absl::Duration patience) const override {
    httplib::Client client(place.host, place.pages_port);
    client.set_connection_timeout(absl::ToChronoMilliseconds(patience));
    client.set_read_timeout(absl::ToChronoMilliseconds(patience));
    const httplib::Result page = client.Get("/metrics");
    if (!page || page->status != 200) return std::nullopt;
    const std::string& text = page->body;
    const auto is = [&](std::string_view role) {
      return RestOfLine(text, fmt::format("cairn_agent_role{{role=\"{}\"}} ", role)) == "1";
    };
    if (RestOfLine(text, "cairn_agent_ready ") != "1") return AgentView{"not ready"};
    return AgentView{is("primary")    ? "primary"
                     : is("follower") ? "replica"
                                      : "between roles",
                     Number(RestOfLine(text, "cairn_agent_epoch "))};
  }
  [[nodiscard]] pid_t EnginePid(const AgentPlace& place, absl::Duration patience) const override {
    const auto engine = MemcachedConnection::ConnectUnix(place.engine_socket(), patience);
    return engine == nullptr ? -1 : engine->ProcessId();
  }
  [[nodiscard]] bool hands_over() const override { return false; }
  void HandOver(const AgentPlace&, absl::Duration) const override {}
};

}  // namespace

const CacheKind* CacheKind::Find(std::string_view name) {
  static const Redis kRedis;
  static const Memcached kMemcached;
  for (const CacheKind* kind :
       {static_cast<const CacheKind*>(&kRedis), static_cast<const CacheKind*>(&kMemcached)}) {
    if (kind->name() == name) return kind;
  }
  return nullptr;
}

}  // namespace cairn::failover
