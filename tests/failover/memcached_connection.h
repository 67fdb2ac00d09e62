// MemcachedConnection: in memcached's text protocol and meta commands.
//
// Threads: one. Lifetime: its own.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "tests/failover/cache_connection.h"
#include "tests/integration/memcache_client.h"

namespace cairn::failover {

class MemcachedConnection : public CacheConnection {
 public:
  // Nullptr: nobody answers there within `patience`, which also bounds each call.
  static std::unique_ptr<MemcachedConnection> Connect(const std::string& host, int port,
                                                      absl::Duration patience);
  static std::unique_ptr<MemcachedConnection> ConnectUnix(const std::string& path,
                                                          absl::Duration patience);

  std::optional<CacheAnswer> Get(const std::string& key) override;
  std::optional<CacheAnswer> Set(const std::string& key, int64_t value) override;
  // Begins with 1 where there is no item.
  std::optional<CacheAnswer> Increment(const std::string& key) override;
  // Of the memcached at the other end; -1: it does not say.
  pid_t ProcessId();

 private:
  explicit MemcachedConnection(std::unique_ptr<integration::MemcacheClient> client);

  const std::unique_ptr<integration::MemcacheClient> client_;
};

}  // namespace cairn::failover
