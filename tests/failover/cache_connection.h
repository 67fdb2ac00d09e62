// CacheConnection: a client's connection to an agent, through hiredis.
//
// Threads: one. Lifetime: its own. Errors: nullopt, and then the connection is of no more use.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

struct redisContext;

namespace cairn::failover {

struct CacheReply {
  enum class Kind : uint8_t { kNull, kInteger, kText, kError, kList };
  Kind kind = Kind::kNull;
  int64_t integer = 0;
  std::string text;               // Of text and errors.
  std::vector<CacheReply> items;  // Of a list.

  [[nodiscard]] bool error() const { return kind == Kind::kError; }
};

class CacheConnection {
 public:
  // Nullptr: nobody answers there within `patience`, which also bounds each call.
  static std::unique_ptr<CacheConnection> Connect(const std::string& host, int port,
                                                  absl::Duration patience);
  static std::unique_ptr<CacheConnection> ConnectUnix(const std::string& path,
                                                      absl::Duration patience);

  // Nullopt: no answer; what was asked may have been done.
  std::optional<CacheReply> Do(const std::vector<std::string>& argv);

 private:
  struct Close {
    void operator()(redisContext* context) const;
  };
  using Context = std::unique_ptr<redisContext, Close>;
  static std::unique_ptr<CacheConnection> Adopt(Context context, absl::Duration patience);
  explicit CacheConnection(Context context) : context_(std::move(context)) {}

  const Context context_;
};

}  // namespace cairn::failover
