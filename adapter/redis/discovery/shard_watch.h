// ShardWatch: who serves the other logs of a cache, so that an agent can send clients there.
//
// It asks each log and its presence log for their leases, every `interval`. What it tells may be
// late by that much: an agent that a client was sent to in vain sends it on.
//
// Threads: the engine thread; calls that block run in the Background. Lifetime: Stop() before it is
// destroyed. Bounds: two calls for each other log in each round, one after another.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/steady_timer.hpp>
#include <functional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "adapter/background.h"
#include "adapter/redis/discovery/cache_view.h"
#include "adapter/redis/discovery/slot_map.h"
#include "cairn/client.h"

namespace cairn::adapter::redis {

class ShardWatch {
 public:
  struct Options {
    SlotMap others;
    std::string lease_name = "primary";
    absl::Duration interval = absl::Milliseconds(500);
  };
  // In the order of `others`; told when it changes.
  using Tell = std::function<void(const std::vector<ShardView>&)>;

  ShardWatch(asio::any_io_executor executor, Background* background, Client* client,
             Options options, Tell tell);
  ~ShardWatch();
  ShardWatch(const ShardWatch&) = delete;
  ShardWatch& operator=(const ShardWatch&) = delete;

  void Start();
  asio::awaitable<void> Stop();

 private:
  static std::vector<ShardView> Look(Client* client, const Options& options,
                                     std::vector<ShardView> known);
  asio::awaitable<void> Run();

  const asio::any_io_executor executor_;
  Background* const background_;
  Client* const client_;
  const Options options_;
  const Tell tell_;
  std::vector<ShardView> shards_;
  asio::steady_timer pause_;
  bool running_ = false;
  bool stopping_ = false;
};

}  // namespace cairn::adapter::redis
