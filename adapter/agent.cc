#include "adapter/agent.h"

#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <asio/post.hpp>
#include <chrono>
#include <string_view>
#include <utility>
#include <variant>

#include "adapter/log_publisher.h"
#include "adapter/snapshot_fetch.h"
#include "base/strings.h"

namespace cairn::adapter {
namespace {

// Head, feeder, presence, the slot log and a throw-away engine's feeder wait on one thread each;
// leases and reads need the others.
constexpr size_t kBackgroundThreads = 9;
constexpr Millis kOpenRetry{300};
constexpr Millis kPulse{50};
constexpr Millis kCountReplicas{5'000};
constexpr absl::Duration kCountTimeout = absl::Seconds(1);
constexpr absl::Duration kOpenTimeout = absl::Seconds(5);
// Ticks that are due are never nearer than that: no busy loop, whatever the machine asks.
constexpr int64_t kMinTickUs = 1'000;

}  // namespace

Agent::Agent(AgentOptions options, const Clock* clock, OnState on_state)
    : options_(std::move(options)),
      clock_(clock),
      on_state_(std::move(on_state)),
      names_(options_.agent_id, options_.incarnation, options_.address),
      io_(1),
      background_(kBackgroundThreads),
      role_(options_.role),
      tick_(io_),
      random_(std::random_device()()),
      count_(io_.get_executor()) {}

Agent::~Agent() = default;

// ---- Life -----------------------------------------------------------------------------------

absl::Status Agent::RunUntilStopped() {
  absl::StatusOr<std::unique_ptr<Client>> client = Client::Connect(options_.cluster);
  if (!client.ok()) {
    StopFront();
    return client.status();
  }
  client_ = *std::move(client);
  Start(Begin());
  io_.run();
  return status_;
}

asio::awaitable<void> Agent::Begin() {
  absl::Status begun = co_await Prepare();
  if (begun.ok()) begun = co_await OpenLog();
  if (begun.ok()) begun = StartParts();
  if (!begun.ok()) {
    if (!absl::IsCancelled(begun)) status_ = begun;
    co_await Shutdown();
    co_return;
  }
  presence_->Start();
  Tell(TickEvent{Draw()});
  Start(Pulse());
  Start(CountReplicas());
  WakeUp pause(executor());
  while (!stopping_) {
    const absl::Status following = co_await head_->Start();
    if (following.ok()) co_return;
    if (absl::IsFailedPrecondition(following) || absl::IsDataLoss(following)) {
      co_return Fail(following);
    }
    spdlog::warn("the log {} does not answer: {}", options_.log, ToStd(following.message()));
    co_await pause.Wait(kOpenRetry);
  }
}

asio::awaitable<absl::Status> Agent::OpenLog() {
  WakeUp pause(executor());
  while (!stopping_) {
    OpenLogOptions open;
    open.call.timeout = kOpenTimeout;
    open.create_if_missing = true;
    open.settings.fenced = true;
    // What no snapshot covers must not be trimmed: an engine that begins anew needs it.
    open.settings.trim_guard = std::string(kSnapshotName);
    // A handle has no default, which what crosses threads needs.
    auto call = [client = client_.get(), name = options_.log,
                 open]() -> absl::StatusOr<std::shared_ptr<Log>> {
      absl::StatusOr<Log> log = client->OpenLog(name, open);
      if (!log.ok()) return log.status();
      return std::make_shared<Log>(*std::move(log));
    };
    absl::StatusOr<std::shared_ptr<Log>> log = co_await background_.Run(std::move(call));
    if (log.ok()) {
      MakeLogParts(**log);
      MakeParts();
      co_return absl::OkStatus();
    }
    spdlog::warn("cannot open the log {}: {}", options_.log, ToStd(log.status().message()));
    co_await pause.Wait(kOpenRetry);
  }
  co_return absl::CancelledError("stopping");
}

void Agent::MakeLogParts(const Log& log) {
  log_ = std::make_unique<Log>(log);
  LogHead::Options head;
  head.lease_name = options_.lease_name;
  head_ = std::make_unique<LogHead>(
      executor(), &background_, log, head, &names_,
      [this](Record* record) { return ReadPlace(record); }, this);
  LeaseDesk::Options desk;
  desk.lease_name = options_.lease_name;
  desk.ttl = options_.lease_ttl;
  desk.call_timeout = options_.lease_ttl;
  desk_ = std::make_unique<LeaseDesk>(executor(), &background_, log, desk, &names_, clock_,
                                      [this](RoleEvent event) { Tell(std::move(event)); });
  AgentPresence::Options presence;
  presence.log_name = options_.log;
  presence.address = options_.address;
  presence.sentinel = options_.sentinel;
  presence.holder = names_.incarnation();
  auto tell = [this](const std::vector<PresentAgent>& agents) {
    std::vector<std::string_view> addresses;
    addresses.reserve(agents.size());
    for (const PresentAgent& agent : agents) addresses.push_back(agent.address);
    spdlog::info("agents of this cache: {}", fmt::join(addresses, ", "));
    RefreshView();
  };
  presence_ = std::make_unique<AgentPresence>(executor(), &background_, client_.get(), presence,
                                              std::move(tell));
}

// What nobody tells has to be looked at: the rest of the lease, and whether the log answers.
asio::awaitable<void> Agent::Pulse() {
  WakeUp pause(executor());
  while (!ended_) {
    desk_->Look();
    const bool reachable = head_->reachable();
    if (reachable != reachable_) {
      reachable_ = reachable;
      spdlog::info("the log {}", reachable ? "answers" : "does not answer");
      OnLogReachable(reachable);
      Tell(LogReachEvent{reachable});
    }
    RefreshView();
    RefreshStatus();
    co_await pause.Wait(kPulse);
  }
}

// Their number changes when an operator changes it.
asio::awaitable<void> Agent::CountReplicas() {
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

void Agent::RequestStop() {
  asio::post(io_, [this] {
    if (std::exchange(stopping_, true)) return;
    if (log_ != nullptr) Tell(StopEvent{FindHeir("")});
  });
}

void Agent::AskForHandOver(std::string heir) {
  asio::post(io_, [this, heir = std::move(heir)] {
    if (log_ != nullptr) Tell(HandOverEvent{FindHeir(heir)});
  });
}

void Agent::Fail(const absl::Status& why) {
  spdlog::critical("cannot go on: {}", ToStd(why.message()));
  if (status_.ok()) status_ = why;
  stopping_ = true;
  Tell(StopEvent{});
}

asio::awaitable<void> Agent::Shutdown() {
  if (std::exchange(ended_, true)) co_return;
  tick_.cancel();
  StopFront();
  if (log_ != nullptr) {
    WakeUp pause(executor());
    count_.Wake();
    while (counting_) co_await pause.Wait(Millis(2));
    co_await StopParts();
    co_await presence_->Stop();
    co_await head_->Stop();
    co_await desk_->Stop();
  }
  co_await StopEngine();
  io_.stop();
}

// ---- Events and orders ------------------------------------------------------------------------

void Agent::Tell(RoleEvent event) {
  events_.push_back(std::move(event));
  if (std::exchange(handling_, true)) return;
  while (!events_.empty()) {
    const RoleEvent next = std::move(events_.front());
    events_.pop_front();
    for (const RoleOrder& order : role_.Handle(next, clock_->Mono())) Order(order);
  }
  handling_ = false;
  ArmTick();
  NoteState();
}

void Agent::Order(const RoleOrder& order) {
  spdlog::debug("order: {}", Describe(order));
  std::visit([this](const auto& one) { Do(one); }, order);
}

void Agent::ArmTick() {
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
    Tell(TickEvent{Draw()});
  });
}

double Agent::Draw() {
  std::uniform_real_distribution<double> draw(0, 1);
  return draw(random_);
}

void Agent::NoteState() {
  const RoleState state = role_.state();
  const bool opened = told_state_ != RoleState::kStopped || role_.front() != FrontMode::kClosed;
  if (state == told_state_ || !opened) return;
  told_state_ = state;
  spdlog::info("role: {}, epoch {}", Name(state), role_.epoch());
  on_state_(state, role_.epoch());
}

AgentStatus Agent::LookAtStatus() const {
  AgentStatus status = counted_;
  status.published = LogPublisher::Delays();
  status.role = role_.state();
  status.epoch = role_.epoch();
  status.front = role_.front();
  status.engine_too_old = role_.version_fenced();
  status.log_reachable = reachable_;
  status.known_agents = presence_->agents().size();
  if (status.role == RoleState::kPrimary || status.role == RoleState::kLeaving) {
    if (desk_->guard() != nullptr) status.lease_margin_us = desk_->guard()->MarginUs();
  }
  return status;
}

// By name or address; empty: anybody else.
std::string Agent::FindHeir(const std::string& wanted) const {
  for (const PresentAgent& agent : presence_->agents()) {
    if (agent.holder == names_.incarnation()) continue;
    if (wanted.empty() || wanted == agent.holder || wanted == agent.address) return agent.holder;
  }
  return "";
}

void Agent::Do(const ReportOrder& order) { spdlog::warn("{}", order.what); }

}  // namespace cairn::adapter
