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

// `logs`: of the same order.
std::vector<ShardView> ViewsOf(const SlotMap& shares, const std::vector<OtherLog>& logs) {
  std::vector<ShardView> views;
  for (size_t i = 0; i < shares.size(); ++i) {
    ShardView& view = views.emplace_back();
    view.log = shares[i].log;
    view.slots = shares[i].slots;
    view.primary_name = logs[i].holder;
    view.primary_address = logs[i].primary;
    view.primary_epoch = logs[i].epoch;
    for (const PresentAgent& agent : logs[i].agents) {
      view.agents.push_back({agent.holder, agent.address, agent.sentinel});
    }
  }
  return views;
}

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
  OtherLogs::Options watch;
  watch.lease_name = options_.lease_name;
  SlotMap others;
  for (SlotShare& share : map) {
    if (share.log == options_.log) {
      slots_ = share.slots;
    } else {
      watch.names.push_back(share.log);
      others.push_back(std::move(share));
    }
  }
  if (others.size() == map.size()) {
    return absl::FailedPreconditionError("the cache's slots name no log like this agent's");
  }
  const auto tell = [this, others = std::move(others)](const std::vector<OtherLog>& logs) {
    others_ = ViewsOf(others, logs);
    RefreshView();
  };
  shards_ =
      std::make_unique<OtherLogs>(executor(), &background(), client(), std::move(watch), tell);
  return absl::OkStatus();
}

}  // namespace cairn::adapter::redis
