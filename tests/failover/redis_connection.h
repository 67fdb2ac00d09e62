// RedisConnection: through hiredis.
//
// Threads: one. Lifetime: its own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "tests/failover/cache_connection.h"

struct redisContext;

namespace cairn::failover {

struct RedisReply {
  enum class Kind : uint8_t { kNull, kInteger, kText, kError, kList };
  Kind kind = Kind::kNull;
  int64_t integer = 0;
  std::string text;               // Of text and errors.
  std::vector<RedisReply> items;  // Of a list.

  [[nodiscard]] bool error() const { return kind == Kind::kError; }
};

class RedisConnection : public CacheConnection {
 public:
  // Nullptr: nobody answers there within `patience`, which also bounds each call.
  static std::unique_ptr<RedisConnection> Connect(const std::string& host, int port,
                                                  absl::Duration patience);
  static std::unique_ptr<RedisConnection> ConnectUnix(const std::string& path,
                                                      absl::Duration patience);

  std::optional<CacheAnswer> Get(const std::string& key) override;
  std::optional<CacheAnswer> Set(const std::string& key, int64_t value) override;
  std::optional<CacheAnswer> Increment(const std::string& key) override;
  // Nullopt: no answer; what was asked may have been done.
  std::optional<RedisReply> Do(const std::vector<std::string>& argv);
  // The answer to ROLE.
  bool IsPrimary();

 private:
  struct Close {
    void operator()(redisContext* context) const;
  };
  using Context = std::unique_ptr<redisContext, Close>;
  static std::unique_ptr<RedisConnection> Adopt(Context context, absl::Duration patience);
  explicit RedisConnection(Context context) : context_(std::move(context)) {}

  const Context context_;
};

}  // namespace cairn::failover
