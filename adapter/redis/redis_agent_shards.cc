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

// True when the slots are known; false when the agent is to end.
asio::awaitable<bool> RedisAgent::FindSlots() {
  if (options_.cache.empty()) co_return true;
  WakeUp pause(io_.get_executor());
  absl::StatusOr<SlotMap> map = absl::UnknownError("not asked yet");
  while (!stopping_) {
    auto agree = [client = client_.get(), cache = options_.cache, logs = options_.shards] {
      return AgreeOnSlots(client, cache, logs, {.timeout = kCallTimeout});
    };
    map = co_await background_.Run(std::move(agree));
    if (map.ok()) break;
    if (absl::IsFailedPrecondition(map.status()) || absl::IsDataLoss(map.status())) {
      status_ = map.status();
      co_return false;
    }
    spdlog::warn("the slots of {} are not known: {}", options_.cache,
                 ToStd(map.status().message()));
    co_await pause.Wait(kRetry);
  }
  if (!map.ok()) co_return false;
  ShardWatch::Options watch;
  watch.lease_name = options_.lease_name;
  for (SlotShare& share : *map) {
    if (share.log == options_.log) {
      slots_ = share.slots;
    } else {
      watch.others.push_back(std::move(share));
    }
  }
  if (watch.others.size() == map->size()) {
    status_ = absl::FailedPreconditionError("the cache's slots name no log like this agent's");
    co_return false;
  }
  shards_ = std::make_unique<ShardWatch>(io_.get_executor(), &background_, client_.get(),
                                         std::move(watch), [this](const auto& others) {
                                           others_ = others;
                                           RefreshView();
                                         });
  co_return true;
}

}  // namespace cairn::adapter::redis
