// RedisAgent's part in a cache of several logs: which slots are its own, and who serves the others.

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "adapter/redis/discovery/slot_map.h"
#include "adapter/redis/redis_agent.h"
#include "base/strings.h"

namespace cairn::adapter::redis {
namespace {

constexpr Millis kRetry{300};
constexpr absl::Duration kCallTimeout = absl::Seconds(5);

}  // namespace

// Until the slots are known.
asio::awaitable<absl::Status> RedisAgent::Prepare() {
  if (options_.cache.empty()) co_return absl::OkStatus();
  WakeUp pause(executor());
  while (!stopping()) {
    auto agree = [client = client(), cache = options_.cache, logs = options_.shards] {
      return AgreeOnSlots(client, cache, logs, {.timeout = kCallTimeout});
    };
    absl::StatusOr<SlotMap> map = co_await background().Run(std::move(agree));
    if (map.ok()) co_return TakeSlots(*std::move(map));
    if (absl::IsFailedPrecondition(map.status()) || absl::IsDataLoss(map.status())) {
      co_return map.status();
    }
    spdlog::warn("the slots of {} are not known: {}", options_.cache,
                 ToStd(map.status().message()));
    co_await pause.Wait(kRetry);
  }
  co_return absl::CancelledError("stopping");
}

absl::Status RedisAgent::TakeSlots(SlotMap map) {
  ShardWatch::Options watch;
  watch.lease_name = options_.lease_name;
  for (SlotShare& share : map) {
    if (share.log == options_.log) {
      slots_ = share.slots;
    } else {
      watch.others.push_back(std::move(share));
    }
  }
  if (watch.others.size() == map.size()) {
    return absl::FailedPreconditionError("the cache's slots name no log like this agent's");
  }
  shards_ = std::make_unique<ShardWatch>(executor(), &background(), client(), std::move(watch),
                                         [this](const auto& others) {
                                           others_ = others;
                                           RefreshView();
                                         });
  return absl::OkStatus();
}

}  // namespace cairn::adapter::redis
