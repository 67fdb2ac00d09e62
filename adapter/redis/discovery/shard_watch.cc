#include "adapter/redis/discovery/shard_watch.h"

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <chrono>
#include <utility>

#include "adapter/agent_presence.h"
#include "adapter/holder_names.h"
#include "base/check.h"
#include "cairn/log.h"

namespace cairn::adapter::redis {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(1);

absl::StatusOr<LogDescription> DescribeByName(Client* client, const std::string& name) {
  OpenLogOptions open;
  open.call.timeout = kCallTimeout;
  absl::StatusOr<Log> log = client->OpenLog(name, open);
  if (!log.ok()) return log.status();
  DescribeOptions describe;
  describe.call.timeout = kCallTimeout;
  return log->Describe(describe);
}

void TakeLease(const LogDescription& log, const std::string& lease_name, ShardView* shard) {
  for (const LeaseInfo& lease : log.leases) {
    if (lease.name != lease_name) continue;
    shard->primary_name = lease.holder;
    shard->primary_address = std::string(HolderNames::AddressOf(lease.holder));
    shard->primary_epoch = lease.epoch;
  }
}

}  // namespace

ShardWatch::ShardWatch(asio::any_io_executor executor, Background* background, Client* client,
                       Options options, Tell tell)
    : executor_(std::move(executor)),
      background_(background),
      client_(client),
      options_(std::move(options)),
      tell_(std::move(tell)),
      pause_(executor_) {
  for (const SlotShare& share : options_.others) {
    ShardView shard;
    shard.log = share.log;
    shard.slots = share.slots;
    shards_.push_back(std::move(shard));
  }
}

ShardWatch::~ShardWatch() { CHECK(!running_); }

void ShardWatch::Start() {
  CHECK(!running_);
  tell_(shards_);
  running_ = true;
  asio::co_spawn(executor_, Run(), asio::detached);
}

// What does not answer stays as it was known.
std::vector<ShardView> ShardWatch::Look(Client* client, const Options& options,
                                        std::vector<ShardView> known) {
  for (ShardView& shard : known) {
    const auto log = DescribeByName(client, shard.log);
    if (log.ok()) TakeLease(*log, options.lease_name, &shard);
    const auto agents = AgentPresence::List(client, shard.log);
    if (!agents.ok()) continue;
    shard.agents.clear();
    for (const PresentAgent& agent : *agents) {
      shard.agents.push_back({agent.holder, agent.address, agent.sentinel});
    }
  }
  return known;
}

asio::awaitable<void> ShardWatch::Run() {
  while (!stopping_) {
    auto look = [client = client_, options = options_, known = shards_] {
      return Look(client, options, known);
    };
    std::vector<ShardView> seen = co_await background_->Run(std::move(look));
    if (stopping_) break;
    if (seen != shards_) {
      shards_ = std::move(seen);
      tell_(shards_);
    }
    pause_.expires_after(absl::ToChronoMilliseconds(options_.interval));
    std::error_code cancelled;
    co_await pause_.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
  }
  running_ = false;
}

asio::awaitable<void> ShardWatch::Stop() {
  stopping_ = true;
  asio::steady_timer look(executor_);
  while (running_) {
    pause_.cancel();
    look.expires_after(std::chrono::milliseconds(2));
    co_await look.async_wait(asio::use_awaitable);
  }
}

}  // namespace cairn::adapter::redis
