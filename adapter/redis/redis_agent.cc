#include "adapter/redis/redis_agent.h"

#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <asio/post.hpp>
#include <chrono>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/check.h"
#include "base/strings.h"

namespace cairn::adapter::redis {
namespace {

// Head, feeder and presence wait on one thread each; leases and reads need the others.
constexpr size_t kBackgroundThreads = 6;
constexpr Millis kOpenRetry{300};
constexpr Millis kPulse{50};
constexpr Millis kCountReplicas{5'000};
constexpr absl::Duration kCountTimeout = absl::Seconds(1);
constexpr absl::Duration kOpenTimeout = absl::Seconds(5);
constexpr Millis kEngineStopPatience{3'000};
// Ticks that are due are never nearer than that: no busy loop, whatever the machine asks.
constexpr int64_t kMinTickUs = 1'000;

}  // namespace

RedisAgent::RedisAgent(RedisAgentOptions options, const Clock* clock, OnState on_state)
    : options_(std::move(options)),
      clock_(clock),
      on_state_(std::move(on_state)),
      names_(options_.agent_id, options_.incarnation, options_.address),
      io_(1),
      background_(kBackgroundThreads),
      role_(options_.role),
      tick_(io_),
      random_(std::random_device()()),
      committed_moved_(io_.get_executor()),
      count_(io_.get_executor()) {}

RedisAgent::~RedisAgent() = default;

// ---- Life -----------------------------------------------------------------------------------

absl::Status RedisAgent::Run(FrontPort* front) {
  front_ = front;
  absl::StatusOr<std::unique_ptr<Client>> client = Client::Connect(options_.cluster);
  if (!client.ok()) {
    front_->Stop();
    return client.status();
  }
  client_ = *std::move(client);
  Spawn(io_.get_executor(), Begin());
  io_.run();
  return status_;
}

asio::awaitable<void> RedisAgent::Begin() {
  const bool shared_out = co_await FindSlots();
  bool opened = false;
  if (shared_out) opened = co_await OpenLog();
  absl::Status listening;
  if (opened) listening = feeder_->Listen();
  if (!listening.ok()) status_ = listening;
  if (!opened || !listening.ok()) {
    co_await Shutdown();
    co_return;
  }
  presence_->Start();
  if (shards_ != nullptr) shards_->Start();
  watch_->Start();
  std::uniform_real_distribution<double> draw(0, 1);
  Tell(TickEvent{draw(random_)});
  Spawn(io_.get_executor(), Pulse());
  Spawn(io_.get_executor(), CountReplicas());
  WakeUp pause(io_.get_executor());
  while (!stopping_) {
    const absl::Status started = co_await head_->Start();
    if (started.ok()) co_return;
    if (absl::IsFailedPrecondition(started) || absl::IsDataLoss(started)) co_return Fail(started);
    spdlog::warn("the log {} does not answer: {}", options_.log, ToStd(started.message()));
    co_await pause.Wait(kOpenRetry);
  }
}

asio::awaitable<bool> RedisAgent::OpenLog() {
  WakeUp pause(io_.get_executor());
  while (!stopping_) {
    OpenLogOptions open;
    open.call.timeout = kOpenTimeout;
    open.create_if_missing = true;
    open.settings.fenced = true;
    // What no snapshot covers must not be trimmed: an engine that begins anew needs it.
    open.settings.trim_guard = std::string(kSnapshotName);
    auto call = [client = client_.get(), name = options_.log, open] {
      return client->OpenLog(name, open);
    };
    // A handle has no default, which what crosses threads needs.
    auto boxed = [call]() -> absl::StatusOr<std::shared_ptr<Log>> {
      absl::StatusOr<Log> log = call();
      if (!log.ok()) return log.status();
      return std::make_shared<Log>(*std::move(log));
    };
    absl::StatusOr<std::shared_ptr<Log>> log = co_await background_.Run(std::move(boxed));
    if (log.ok()) {
      MakeParts(**log);
      co_return true;
    }
    spdlog::warn("cannot open the log {}: {}", options_.log, ToStd(log.status().message()));
    co_await pause.Wait(kOpenRetry);
  }
  co_return false;
}

void RedisAgent::MakeParts(const Log& log) {
  const asio::any_io_executor executor = io_.get_executor();
  log_ = std::make_unique<Log>(log);
  LogHead::Options head;
  head.lease_name = options_.lease_name;
  head_ = std::make_unique<LogHead>(
      executor, &background_, log, head, &names_,
      [this](Record* record) { return marks_.Read(record); }, this);
  LeaseDesk::Options desk;
  desk.lease_name = options_.lease_name;
  desk.ttl = options_.lease_ttl;
  desk.call_timeout = options_.lease_ttl;
  desk_ = std::make_unique<LeaseDesk>(executor, &background_, log, desk, &names_, clock_,
                                      [this](RoleEvent event) { Tell(std::move(event)); });
  AgentPresence::Options presence;
  presence.log_name = options_.log;
  presence.address = options_.address;
  presence.sentinel = options_.sentinel;
  presence.holder = names_.incarnation();
  presence_ = std::make_unique<AgentPresence>(executor, &background_, client_.get(), presence,
                                              [this](const std::vector<PresentAgent>& agents) {
                                                std::vector<std::string_view> addresses;
                                                for (const PresentAgent& agent : agents)
                                                  addresses.push_back(agent.address);
                                                spdlog::info("agents of this cache: {}",
                                                             fmt::join(addresses, ", "));
                                                RefreshView();
                                              });
  EngineAddress address = options_.engine_address;
  if (options_.engine_process) {
    process_ = std::make_unique<EngineProcess>(executor, *options_.engine_process);
    address = process_->address();
  }
  watch_ =
      std::make_unique<EngineWatch>(executor, address, process_.get(), this, EngineWatchOptions());
  SnapshotFeed::Options snapshots;
  snapshots.directory = options_.directory;
  snapshots_ =
      std::make_unique<SnapshotFeed>(&background_, options_.store.get(), log, std::move(snapshots));
  StreamFeeder::Options feeder;
  feeder.sink_password = options_.engine_setup.sink_password;
  feeder.lease_name = options_.lease_name;
  feeder.snapshots = [this](EngineVersion reader) { return snapshots_->Next(std::move(reader)); };
  feeder_ = std::make_unique<StreamFeeder>(executor, &background_, log, feeder, this);
  StreamPublisher::Options publisher;
  publisher.address = address;
  publisher.lease_name = options_.lease_name;
  publisher.buffer_bytes = options_.engine_setup.lag_bytes;
  publisher_ = std::make_unique<StreamPublisher>(executor, log, publisher, this);
}

// What nobody tells has to be looked at: the rest of the lease, and whether the log answers.
asio::awaitable<void> RedisAgent::Pulse() {
  WakeUp pause(io_.get_executor());
  while (!ended_) {
    desk_->Look();
    const bool reachable = head_->reachable();
    if (reachable != reachable_) {
      reachable_ = reachable;
      spdlog::info("the log {}", reachable ? "answers" : "does not answer");
      front_->SetLogReachable(reachable);
      Tell(LogReachEvent{reachable});
    }
    RefreshView();
    RefreshStatus();
    co_await pause.Wait(kPulse);
  }
}

// WAIT tells of them. Their number changes when an operator changes it.
asio::awaitable<void> RedisAgent::CountReplicas() {
  counting_ = true;
  while (!ended_) {
    auto describe = [log = *log_]() mutable {
      DescribeOptions options;
      options.call.timeout = kCountTimeout;
      return log.Describe(options);
    };
    const absl::StatusOr<LogDescription> log = co_await background_.Run(std::move(describe));
    if (log.ok()) {
      const auto voters =
          std::count_if(log->replicas.begin(), log->replicas.end(),
                        [](const ReplicaInfo& replica) { return replica.role != "learner"; });
      log_replicas_ = static_cast<uint32_t>(std::max<std::ptrdiff_t>(voters, 1));
    }
    if (!ended_) co_await count_.Wait(kCountReplicas);
  }
  counting_ = false;
}

void RedisAgent::RequestStop() {
  asio::post(io_, [this] {
    if (std::exchange(stopping_, true)) return;
    if (log_ != nullptr) Tell(StopEvent{FindHeir("")});
  });
}

void RedisAgent::RequestHandOver(std::string heir) {
  asio::post(io_, [this, heir = std::move(heir)] {
    if (log_ != nullptr) Tell(HandOverEvent{FindHeir(heir)});
  });
}

void RedisAgent::Fail(const absl::Status& why) {
  spdlog::critical("cannot go on: {}", ToStd(why.message()));
  if (status_.ok()) status_ = why;
  stopping_ = true;
  Tell(StopEvent{});
}

void RedisAgent::Do(const ExitOrder&) { Spawn(io_.get_executor(), Shutdown()); }

asio::awaitable<void> RedisAgent::Shutdown() {
  if (std::exchange(ended_, true)) co_return;
  tick_.cancel();
  front_->Stop();
  if (options_.store != nullptr) options_.store->Stop();
  WakeUp pause(io_.get_executor());
  while (adoption_ != nullptr) {
    adoption_->Cancel();
    co_await pause.Wait(Millis(10));
  }
  if (log_ != nullptr) {
    count_.Wake();
    while (counting_) co_await pause.Wait(Millis(2));
    co_await publisher_->Stop();
    snapshots_->Stop();
    co_await feeder_->Stop();
    co_await presence_->Stop();
    if (shards_ != nullptr) co_await shards_->Stop();
    co_await head_->Stop();
    co_await desk_->Stop();
    co_await watch_->Stop();
  }
  const bool leave = !options_.engine_process || options_.engine_process->outlives_agent;
  if (process_ != nullptr && !leave) co_await process_->Stop(kEngineStopPatience);
  io_.stop();
}

// ---- Events and orders ------------------------------------------------------------------------

void RedisAgent::Tell(RoleEvent event) {
  events_.push_back(std::move(event));
  if (std::exchange(handling_, true)) return;
  while (!events_.empty()) {
    const RoleEvent next = std::move(events_.front());
    events_.pop_front();
    for (const RoleOrder& order : role_.Handle(next, clock_->Mono())) {
      spdlog::debug("order: {}", Describe(order));
      std::visit([this](const auto& one) { Do(one); }, order);
    }
  }
  handling_ = false;
  ArmTick();
  NoteState();
}

void RedisAgent::ArmTick() {
  const std::optional<MonoMicros> at_us = role_.wake_at_us();
  if (at_us == tick_at_us_ || ended_) return;
  tick_at_us_ = at_us;
  tick_.cancel();
  if (!at_us) return;
  const int64_t in_us = std::max(*at_us - clock_->Mono(), kMinTickUs);
  tick_.expires_after(std::chrono::microseconds(in_us));
  tick_.async_wait([this](const std::error_code& error) {
    if (error || ended_) return;
    tick_at_us_.reset();
    std::uniform_real_distribution<double> draw(0, 1);
    Tell(TickEvent{draw(random_)});
  });
}

void RedisAgent::NoteState() {
  const RoleState state = role_.state();
  const bool opened = told_state_ != RoleState::kStopped || role_.front() != FrontMode::kClosed;
  if (state == told_state_ || !opened) return;
  told_state_ = state;
  spdlog::info("role: {}, epoch {}", Name(state), role_.epoch());
  on_state_(state, role_.epoch());
}

void RedisAgent::RefreshView() {
  CacheView view;
  const LogPosition& position = head_->position();
  view.log = options_.log;
  view.slots = slots_;
  view.others = others_;
  view.primary_name = position.holder;
  view.primary_address = std::string(HolderNames::AddressOf(position.holder));
  view.primary_epoch = position.lease.epoch;
  view.log_replicas = log_replicas_;
  for (const PresentAgent& agent : presence_->agents()) {
    view.agents.push_back({agent.holder, agent.address, agent.sentinel});
  }
  if (view == view_) return;
  view_ = view;
  front_->SetView(std::move(view));
}

void RedisAgent::RefreshStatus() {
  AgentStatus status = counted_;
  status.role = role_.state();
  status.epoch = role_.epoch();
  status.front = role_.front();
  status.log_reachable = reachable_;
  status.engine_ready = watch_->ready();
  status.engine = watch_->facts().use;
  if (status.role == RoleState::kPrimary || status.role == RoleState::kLeaving) {
    if (desk_->guard() != nullptr) status.lease_margin_us = desk_->guard()->MarginUs();
    const StreamOffset committed = publisher_->committed().offset;
    const StreamOffset read = publisher_->read_offset();
    status.in_flight_bytes = read > committed ? read - committed : 0;
  } else {
    const Seq last = head_->position().read_seq;
    const Seq applied = feeder_->progress().applied;
    status.records_behind = last > applied ? last - applied : 0;
  }
  const absl::MutexLock lock(&status_mutex_);
  status_told_ = status;
}

AgentStatus RedisAgent::Status() const {
  const absl::MutexLock lock(&status_mutex_);
  return status_told_;
}

// By name or address; empty: anybody else.
std::string RedisAgent::FindHeir(const std::string& wanted) const {
  for (const PresentAgent& agent : presence_->agents()) {
    if (agent.holder == names_.incarnation()) continue;
    if (wanted.empty() || wanted == agent.holder || wanted == agent.address) return agent.holder;
  }
  return "";
}

void RedisAgent::Do(const FrontOrder& order) {
  FrontReign reign;
  if (order.epoch) {
    reign.epoch = order.epoch;
    reign.lease = desk_->guard();
    reign.committed = publisher_->committed();
    reign.seq = publisher_->committed_seq();
  }
  front_->SetMode(order.mode, std::move(reign));
  const bool waits = order.mode == FrontMode::kPausing || order.mode == FrontMode::kHolding;
  if (paused_ && !waits) Spawn(io_.get_executor(), PauseEngine(false));
}

void RedisAgent::Do(const ReportOrder& order) { spdlog::warn("{}", order.what); }

}  // namespace cairn::adapter::redis
