// RedisAgent's part in a cache of several logs: which slots are its own, who serves the others, and
// what its slot keeper needs of it.

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "adapter/redis/engine_facts.h"
#include "adapter/redis/redis_agent.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::adapter::redis {
namespace {

constexpr Millis kRetry{300};
constexpr Millis kCallPatience{10'000};
constexpr absl::Duration kCallTimeout = absl::Seconds(5);

std::vector<ShardView> ViewsOf(const SlotMap& shares, const std::vector<OtherLog>& logs) {
  std::vector<ShardView> views;
  for (const OtherLog& log : logs) {
    ShardView& view = views.emplace_back();
    view.log = log.name;
    view.slots = SlotsOf(shares, log.name);
    view.primary_name = log.holder;
    view.primary_address = log.primary;
    view.primary_epoch = log.epoch;
    for (const PresentAgent& agent : log.agents) {
      view.agents.push_back({agent.holder, agent.address, agent.sentinel});
    }
  }
  return views;
}

}  // namespace

RedisAgent::SlotFinder RedisAgent::FindSlots() {
  ShardClaim claim{options_.cache, options_.log, options_.shards};
  return [client = client(),
          claim = std::move(claim)]() -> absl::StatusOr<std::shared_ptr<FoundSlots>> {
    const CallOptions call{.timeout = kCallTimeout};
    ASSIGN_OR_RETURN(const SlotLog log, SlotLog::Open(client, claim.cache, /*create=*/true, call));
    ASSIGN_OR_RETURN(SlotEntry first, AgreeOnSlots(log, claim, call));
    return std::make_shared<FoundSlots>(FoundSlots{log, std::move(first)});
  };
}

// Until the slots are known.
asio::awaitable<absl::Status> RedisAgent::Prepare() {
  if (options_.cache.empty()) co_return absl::OkStatus();
  WakeUp pause(executor());
  while (!stopping()) {
    absl::StatusOr<std::shared_ptr<FoundSlots>> found = co_await background().Run(FindSlots());
    if (found.ok()) {
      found_slots_ = *std::move(found);
      co_return absl::OkStatus();
    }
    if (absl::IsFailedPrecondition(found.status()) || absl::IsDataLoss(found.status())) {
      co_return found.status();
    }
    spdlog::warn("the slots of {} are not known: {}", options_.cache,
                 ToStd(found.status().message()));
    co_await pause.Wait(kRetry);
  }
  co_return absl::CancelledError("stopping");
}

void RedisAgent::MakeShards() {
  no_report_ = std::make_unique<ProgressReport>(ProgressReport::Style::kNone, clock());
  const ReplayHost host{.executor = executor(),
                        .background = &background(),
                        .store = options_.store.get(),
                        .report = no_report_.get(),
                        .engine_command = options_.scratch_command};
  keeper_ = std::make_unique<SlotKeeper>(
      host, client(), log(),
      SlotKeeper::Options{options_.log, options_.lease_name, options_.directory}, clock(), this);
  OtherLogs::Options watch;
  watch.lease_name = options_.lease_name;
  shards_ = std::make_unique<OtherLogs>(executor(), &background(), client(), std::move(watch),
                                        [this](const std::vector<OtherLog>& logs) {
                                          other_logs_ = logs;
                                          OnSlots();
                                        });
}

// The slots, or what is known of the other logs, have changed.
void RedisAgent::OnSlots() {
  if (ended()) return;
  RefreshShards();
  RefreshView();
}

void RedisAgent::RefreshShards() {
  const SlotState& state = keeper_->state();
  slots_ = SlotsOf(state.shares, options_.log);
  others_ = ViewsOf(state.shares, other_logs_);
  std::vector<std::string> names = state.logs;
  std::erase(names, options_.log);
  shards_->Watch(names);  // Which may tell of them.
}

SlotEngine RedisAgent::OwnSlotEngine() {
  SlotEngine engine;
  engine.link = std::make_shared<KeyLink>(executor(), watch_->link()->address());
  engine.version = engine_version_;
  engine.commands = std::shared_ptr<const CommandTable>(setup_, &setup_->commands);
  engine.commit_all = [this] { return CommitAll(); };
  engine.flushes = [this] { return publisher_->flushes(); };
  return engine;
}

// What the engine has done by now is in the log, whose seq is returned.
asio::awaitable<absl::StatusOr<Seq>> RedisAgent::CommitAll() {
  const uint64_t attachment = attachment_;
  const absl::StatusOr<EngineFacts> facts = co_await ObserveEngine(watch_->link(), kCallPatience);
  if (!facts.ok()) co_return facts.status();
  while (attachment == attachment_ && !ended()) {
    if (publisher_->committed().offset >= facts->offset) co_return publisher_->committed_seq();
    co_await AwaitCommitted();
  }
  co_return absl::AbortedError("the reign is over");
}

}  // namespace cairn::adapter::redis
