// SentinelServer: a port on which the agent plays Sentinel.
//
//   redis_agent ──SetView──► SentinelServer ◄──RESP── clients: SENTINEL …, SUBSCRIBE +switch-master
//
// A port of its own, for two reasons. Clients ask a Sentinel when the data cannot be served, so its
// answers must not depend on an engine, a mode or a lease. And they keep a subscription there,
// which on the data's port would be one of the engine's channels.
//
// It serves whoever reaches the port, without a password, as Sentinel does by default; what it
// tells is addresses.
//
// Threads: a thread of its own; SetView from any. Lifetime: Stop() before it is destroyed.
// Bounds: `max_clients`; kMaxOutBytes for a client that does not read, kMaxChannels that it
// subscribes to: beyond that it is cut, or refused.
#pragma once

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <memory>
#include <string>
#include <thread>
#include <unordered_set>

#include "absl/status/statusor.h"
#include "adapter/front/acceptor.h"
#include "adapter/redis/discovery/cache_view.h"
#include "adapter/redis/discovery/sentinel_answers.h"

namespace cairn::adapter::redis {

struct SentinelOptions {
  std::string listen;       // "IP:PORT"; port 0: the kernel's choice.
  std::string own_address;  // Of the agent's data, as clients reach it.
  size_t max_clients = 1000;
};

class SentinelClient;

class SentinelServer {
 public:
  // Errors: kInvalidArgument: the address is none; kUnavailable: it cannot be listened at.
  static absl::StatusOr<std::unique_ptr<SentinelServer>> Start(SentinelOptions options);
  ~SentinelServer();
  SentinelServer(const SentinelServer&) = delete;
  SentinelServer& operator=(const SentinelServer&) = delete;

  // Where it listens: "host:port".
  [[nodiscard]] const std::string& address() const { return acceptor_.address(); }

  void SetView(CacheView view);
  void Stop();

 private:
  friend class SentinelClient;

  explicit SentinelServer(SentinelOptions options);
  void Accept();
  void TakeView(CacheView view);

  const SentinelOptions options_;
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  Acceptor acceptor_;
  CacheView view_;
  SentinelNews news_;
  uint64_t next_client_id_ = 1;
  std::unordered_set<std::shared_ptr<SentinelClient>> clients_;
  std::thread thread_;
};

}  // namespace cairn::adapter::redis
