#include "adapter/redis/redis_agent.h"

#include <utility>

namespace cairn::adapter::redis {
namespace {

constexpr Millis kEngineStopPatience{3'000};
// Nobody waits for the log in `async` mode, and few large records cost nodes and agent a fraction
// of many small ones.
constexpr Millis kAsyncGather{5};

}  // namespace

RedisAgent::RedisAgent(RedisAgentOptions options, const Clock* clock, OnState on_state)
    : Agent(options, clock, std::move(on_state)), options_(std::move(options)) {}

RedisAgent::~RedisAgent() = default;

// ---- Life -----------------------------------------------------------------------------------

absl::Status RedisAgent::Run(FrontPort* front) {
  front_ = front;
  return RunUntilStopped();
}

void RedisAgent::MakeParts() {
  EngineAddress address = options_.engine_address;
  if (options_.engine_process) {
    process_ = std::make_unique<EngineProcess>(executor(), *options_.engine_process);
    address = process_->address();
  }
  watch_ = std::make_unique<EngineWatch>(executor(), address, process_.get(), this,
                                         EngineMinderOptions());
  MakeFeeder();
  StreamPublisher::Options publisher;
  publisher.address = address;
  publisher.lease_name = options_.lease_name;
  publisher.buffer_bytes = options_.engine_setup.lag_bytes;
  if (!options_.engine_setup.sync_durability) publisher.gather = kAsyncGather;
  publisher.wait_on = [this] { return watch_->busy(); };
  publisher_ = std::make_unique<StreamPublisher>(executor(), log(), publisher, this);
  if (found_slots_ != nullptr) MakeShards();
}

void RedisAgent::MakeFeeder() {
  SnapshotFeed::Options snapshots;
  snapshots.directory = options_.directory;
  snapshots_ = std::make_unique<SnapshotFeed>(&background(), options_.store.get(), log(),
                                              std::move(snapshots));
  StreamFeeder::Options feeder;
  feeder.outlives_denials = true;
  feeder.sink_password = options_.engine_setup.sink_password;
  feeder.lease_name = options_.lease_name;
  feeder.snapshots = [this](EngineVersion reader) { return snapshots_->Next(std::move(reader)); };
  feeder_ = std::make_unique<StreamFeeder>(executor(), &background(), log(), feeder, this);
}

absl::Status RedisAgent::StartParts() {
  if (absl::Status listening = feeder_->Listen(); !listening.ok()) return listening;
  if (keeper_ != nullptr) {
    keeper_->Start(found_slots_->log, found_slots_->first);
    RefreshShards();
    shards_->Start();
  }
  watch_->Start();
  return absl::OkStatus();
}

void RedisAgent::StopFront() {
  front_->Stop();
  if (options_.store != nullptr) options_.store->Stop();
}

asio::awaitable<void> RedisAgent::StopParts() {
  WakeUp pause(executor());
  while (adoption_ != nullptr) {
    adoption_->Cancel();
    co_await pause.Wait(Millis(10));
  }
  if (keeper_ != nullptr) co_await keeper_->Stop();
  co_await publisher_->Stop();
  snapshots_->Stop();
  co_await feeder_->Stop();
  if (shards_ != nullptr) co_await shards_->Stop();
  co_await watch_->Stop();
}

asio::awaitable<void> RedisAgent::StopEngine() {
  const bool leave = !options_.engine_process || options_.engine_process->outlives_agent;
  if (process_ != nullptr && !leave) co_await process_->Stop(kEngineStopPatience);
}

// ---- What others see --------------------------------------------------------------------------

void RedisAgent::RefreshView() {
  CacheView view;
  const LogPosition& position = head().position();
  view.log = options_.log;
  view.slots = slots_;
  view.others = others_;
  if (keeper_ != nullptr) view.held = keeper_->Held();
  view.primary_name = position.holder;
  view.primary_address = std::string(HolderNames::AddressOf(position.holder));
  view.primary_epoch = position.lease.epoch;
  view.log_replicas = log_replicas();
  for (const PresentAgent& agent : presence().agents()) {
    view.agents.push_back({agent.holder, agent.address, agent.sentinel});
  }
  if (view == view_) return;
  view_ = view;
  front_->SetView(std::move(view));
}

void RedisAgent::RefreshStatus() {
  RedisStatus status{LookAtStatus(), watch_->facts().use, SlotCounts()};
  if (keeper_ != nullptr) status.slots = keeper_->counts();
  status.engine_ready = watch_->ready();
  if (status.role == RoleState::kPrimary || status.role == RoleState::kLeaving) {
    const StreamOffset committed = publisher_->committed().offset;
    const StreamOffset read = publisher_->read_offset();
    status.in_flight_bytes = read > committed ? read - committed : 0;
  } else {
    const Seq last = head().position().read_seq;
    const Seq applied = feeder_->progress().applied;
    status.records_behind = last > applied ? last - applied : 0;
  }
  const absl::MutexLock lock(&status_mutex_);
  status_told_ = status;
}

RedisStatus RedisAgent::Status() const {
  const absl::MutexLock lock(&status_mutex_);
  return status_told_;
}

}  // namespace cairn::adapter::redis
