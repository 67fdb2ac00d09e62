#include "adapter/redis/live_adoption.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <optional>
#include <utility>
#include <vector>

#include "adapter/agent_identity.h"
#include "adapter/agent_presence.h"
#include "adapter/holder_names.h"
#include "adapter/snapshot_fetch.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "cairn/error.h"

namespace cairn::adapter::redis {
namespace {

constexpr Millis kCallPatience{5'000};
constexpr Millis kLook{200};
constexpr Millis kDrainLook{1};
// Little enough that writes need to stop for moments only.
constexpr uint64_t kLittleBytes = uint64_t{1} << 20;
// What the live engine may be ahead of the log while the dump is on its way.
constexpr uint64_t kBacklogBytes = uint64_t{1} << 30;
// Writes wait at most that long; a cut-over that is not done by then is given up.
constexpr int64_t kPauseMs = 2'000;
constexpr int64_t kDrainPatienceUs = kMicrosPerSecond;
constexpr absl::Duration kCallTimeout = absl::Seconds(10);

constexpr char kBacklog[] = "repl-backlog-size";
constexpr char kReplicasNeeded[] = "min-replicas-to-write";
constexpr char kReplicaLag[] = "min-replicas-max-lag";

absl::Status CheckNoData(Log log) {
  ASSIGN_OR_RETURN(const LogDescription log_now, DescribeNow(log));
  if (!log_now.settings.fenced.value_or(false)) {
    return absl::FailedPreconditionError(
        fmt::format("the log {} accepts appends of everybody: a cache's log is created fenced, as "
                    "this program does",
                    log.name()));
  }
  ReadOptions read;
  read.call.timeout = kCallTimeout;
  read.start_seq = log_now.first_seq;
  ReadStream stream = log.Read(read);
  while (log_now.first_seq <= log_now.last_seq) {
    ASSIGN_OR_RETURN(const std::optional<RecordBatch> batch, stream.Next());
    if (!batch) break;
    for (const Record& record : batch->records) {
      if (record.kind != RecordKind::kData) continue;
      return absl::FailedPreconditionError(fmt::format(
          "the log {} has data (record {}): expected one without", log.name(), record.seq));
    }
  }
  if (log_now.first_seq <= Seq(1)) return absl::OkStatus();
  return absl::FailedPreconditionError(fmt::format("the log {} was trimmed", log.name()));
}

}  // namespace

LiveAdoption::LiveAdoption(ReplayHost host, Client* client, Log log, LiveAdoptionOptions options,
                           const Clock* clock, OnLag on_lag)
    : host_(std::move(host)),
      client_(client),
      log_(std::move(log)),
      options_(std::move(options)),
      clock_(clock),
      on_lag_(std::move(on_lag)),
      link_(host_.executor, options_.from),
      settings_(&link_, kCallPatience),
      cut_over_(options_.cut_over_asap),
      moved_(host_.executor) {}

LiveAdoption::~LiveAdoption() = default;

void LiveAdoption::Cancel() {
  cancelled_ = true;
  if (adoption_ != nullptr) adoption_->Cancel();
  moved_.Wake();
}

asio::awaitable<absl::StatusOr<LiveAdoptionResult>> LiveAdoption::Run() {
  absl::StatusOr<LiveAdoptionResult> result = co_await Work();
  co_await LetGo();
  if (!result.ok() && cancelled_) co_return absl::CancelledError("stopped");
  co_return result;
}

asio::awaitable<absl::StatusOr<LiveAdoptionResult>> LiveAdoption::Work() {
  absl::Status status = co_await MeetLiveEngine();
  if (status.ok()) status = co_await TakeLease();
  if (status.ok()) status = co_await TakeData();
  if (!status.ok()) co_return status;
  co_return co_await Follow();
}

asio::awaitable<absl::Status> LiveAdoption::Command(std::vector<std::string> argv) {
  const absl::StatusOr<RespValue> reply = co_await link_.CallOk(std::move(argv), kCallPatience);
  co_return reply.status();
}

asio::awaitable<absl::Status> LiveAdoption::MeetLiveEngine() {
  const absl::Status connected = co_await link_.Connect(kCallPatience);
  if (!connected.ok()) co_return connected;
  const absl::StatusOr<EngineFacts> facts = co_await ObserveEngine(&link_, kCallPatience);
  if (!facts.ok()) co_return facts.status();
  if (!facts->primary) {
    co_return absl::FailedPreconditionError(fmt::format(
        "the engine at {} is a replica: expected the primary", options_.from.ToString()));
  }
  absl::StatusOr<EngineVersion> version =
      EngineVersion::Parse(fmt::format("{}/{}", facts->kind, facts->version));
  if (!version.ok()) co_return version.status();
  version_ = *std::move(version);
  const absl::Status raised = co_await settings_.Change(kBacklog, std::to_string(kBacklogBytes));
  if (!raised.ok()) {
    spdlog::warn(
        "the live engine's backlog stays as it is; if it is too small, the stream has a "
        "gap behind the dump: {}",
        ToStd(raised.message()));
  }
  co_return absl::OkStatus();
}

asio::awaitable<absl::Status> LiveAdoption::TakeLease() {
  LeaseOptions lease;
  lease.holder = HolderNames(RandomName(), RandomName(), options_.from.ToString()).incarnation();
  lease.ttl = options_.lease_ttl;
  lease.call.timeout = kCallTimeout;
  using Keeper = std::shared_ptr<LeaseKeeper>;
  auto acquire = [log = log_, lease]() mutable -> absl::StatusOr<Keeper> {
    RETURN_IF_ERROR(CheckNoData(log));
    ASSIGN_OR_RETURN(std::unique_ptr<LeaseKeeper> keeper, LeaseKeeper::Acquire(log, lease));
    // An agent may have been the primary for a moment in between.
    RETURN_IF_ERROR(CheckNoData(log));
    return Keeper(std::move(keeper));
  };
  absl::StatusOr<Keeper> keeper = co_await host_.background->Run(std::move(acquire));
  if (!keeper.ok()) co_return Annotate(keeper.status(), "the lease of the cache");
  keeper_ = *std::move(keeper);
  co_return absl::OkStatus();
}

asio::awaitable<absl::Status> LiveAdoption::TakeData() {
  adoption_ = std::make_unique<Adoption>(
      host_, client_, log_,
      Adoption::Options{.directory = options_.directory,
                        .created_by = fmt::format("adopted from {}", options_.from.ToString())},
      clock_);
  const Epoch epoch = keeper_->epoch();
  absl::StatusOr<Adoption::Adopted> adopted =
      co_await adoption_->Run(options_.from, version_, epoch);
  if (!adopted.ok()) co_return adopted.status();
  if (cancelled_) co_return absl::CancelledError("stopped");
  adopted_ = adopted->keyspace;
  StreamPublisher::Options publisher;
  publisher.address = options_.from;
  publisher.engine = version_;
  StreamPublisherOwner* const owner = this;
  publisher_ = std::make_unique<StreamPublisher>(host_.executor, log_, publisher, owner);
  StreamPublisher::Beginning beginning;
  beginning.epoch = epoch;
  beginning.from = adopted->place;
  beginning.adopted = Seq(epoch.value());
  const Attachment how = co_await publisher_->Open(std::move(beginning));
  if (how == Attachment::kContinued) co_return absl::OkStatus();
  co_return absl::FailedPreconditionError(
      how == Attachment::kGap
          ? "the live engine has forgotten what it wrote since the dump: its repl-backlog-size is "
            "too small; begin again"
          : "the live engine's stream, or the log, broke right behind the dump; begin again");
}

void LiveAdoption::OnCommitted(StreamOffset, Seq) { moved_.Wake(); }

void LiveAdoption::OnPublisherFailed(PublisherTrouble why, const absl::Status& status) {
  if (why == PublisherTrouble::kConnection) {
    reattach_ = true;
  } else {
    status_ = status;
  }
  moved_.Wake();
}

asio::awaitable<absl::StatusOr<LiveAdoptionResult>> LiveAdoption::Follow() {
  while (status_.ok() && !cancelled_) {
    if (std::exchange(reattach_, false)) status_ = co_await Reattach();
    if (!keeper_->IsSafe()) status_ = Annotate(keeper_->status(), "the lease of the cache is lost");
    if (!status_.ok()) break;
    const absl::StatusOr<LiveAdoptionLag> lag = co_await Look();
    // Of a cut-over that failed together with the connection.
    if (lag.ok() && settings_.changed(kReplicaLag)) (void)co_await TakeWritesAgain();
    if (lag.ok() && on_lag_) on_lag_(*lag);
    if (lag.ok() && cut_over_ && lag->bytes <= kLittleBytes) {
      absl::StatusOr<LiveAdoptionResult> result = co_await CutOver();
      if (result.ok() || given_) co_return result;
      spdlog::warn("not cut over yet: {}", ToStd(result.status().message()));
    }
    co_await moved_.Wait(kLook);
  }
  co_return cancelled_ ? absl::CancelledError("stopped") : status_;
}

asio::awaitable<absl::StatusOr<LiveAdoptionLag>> LiveAdoption::Look() {
  if (!link_.connected()) {
    const absl::Status connected = co_await link_.Connect(kCallPatience);
    if (!connected.ok()) co_return connected;
  }
  const absl::StatusOr<EngineFacts> facts = co_await ObserveEngine(&link_, kCallPatience);
  if (!facts.ok()) co_return facts.status();
  const StreamOffset committed = publisher_->committed().offset;
  LiveAdoptionLag lag;
  lag.bytes = facts->offset > committed ? facts->offset - committed : 0;
  lag.committed_seq = publisher_->committed_seq();
  co_return lag;
}

asio::awaitable<absl::Status> LiveAdoption::Reattach() {
  const Attachment how = co_await publisher_->Again();
  if (how == Attachment::kFailed) reattach_ = true;
  if (how != Attachment::kGap) co_return absl::OkStatus();
  co_return absl::DataLossError(
      "the live engine cannot go on where its stream broke: begin again with another log");
}

// The agent that has followed: any that is alive.
asio::awaitable<absl::StatusOr<LiveAdoption::Heir>> LiveAdoption::FindHeir() {
  auto list = [client = client_, name = log_.name()] { return AgentPresence::List(client, name); };
  const absl::StatusOr<std::vector<PresentAgent>> agents =
      co_await host_.background->Run(std::move(list));
  if (!agents.ok()) co_return agents.status();
  if (!agents->empty()) co_return Heir{agents->front().holder, agents->front().address};
  co_return absl::UnavailableError("no agent of the cache runs: start one, with the same --store");
}

asio::awaitable<absl::StatusOr<LiveAdoptionResult>> LiveAdoption::CutOver() {
  absl::StatusOr<Heir> heir = co_await FindHeir();
  if (!heir.ok()) co_return heir.status();
  LiveAdoptionResult result;
  result.primary = heir->address;
  result.adopted = adopted_;
  const MonoMicros stopped_us = clock_->Mono();
  std::vector<std::string> pause = Argv("CLIENT", "PAUSE", std::to_string(kPauseMs), "WRITE");
  absl::Status status = co_await Command(std::move(pause));
  if (status.ok()) status = co_await HandOver(*std::move(heir), &result);
  if (!status.ok()) {
    // If the hand-over's outcome is unknown, the writes stay refused: an agent may have it.
    if (!given_) co_await Unpause();
    co_return status;
  }
  result.writes_stopped_us = clock_->Mono() - stopped_us;
  co_await Unpause();
  co_return result;
}

// The pause ends by itself, too.
asio::awaitable<void> LiveAdoption::Unpause() {
  std::vector<std::string> unpause = Argv("CLIENT", "UNPAUSE");
  (void)co_await Command(std::move(unpause));
}

// Requires: writes wait, perhaps. First most is drained while they only wait: then they are refused
// for moments.
asio::awaitable<absl::Status> LiveAdoption::HandOver(Heir heir, LiveAdoptionResult* result) {
  absl::Status status = co_await Drain();
  if (!status.ok()) co_return status;
  status = co_await RefuseWrites();
  // The pause may have ended before: only now nothing is acknowledged any more.
  if (status.ok()) status = co_await Drain();
  if (status.ok()) {
    result->seq = publisher_->committed_seq();
    status = co_await Transfer(std::move(heir), result->seq);
  }
  if (!status.ok() && !given_) (void)co_await TakeWritesAgain();
  co_return status;
}

// Until all is committed that the live engine has written by now.
asio::awaitable<absl::Status> LiveAdoption::Drain() {
  const absl::StatusOr<EngineFacts> facts = co_await ObserveEngine(&link_, kCallPatience);
  if (!facts.ok()) co_return facts.status();
  if (!facts->primary) co_return absl::FailedPreconditionError("the live engine is a replica now");
  const MonoMicros give_up_us = clock_->Mono() + kDrainPatienceUs;
  while (publisher_->committed().offset < facts->offset) {
    if (clock_->Mono() >= give_up_us || !status_.ok() || reattach_ || cancelled_) {
      co_return absl::DeadlineExceededError("the last writes were not committed in time");
    }
    co_await moved_.Wait(kDrainLook);
  }
  co_return absl::OkStatus();
}

// OK: what the live engine has not acknowledged by now, it never will.
asio::awaitable<absl::Status> LiveAdoption::RefuseWrites() {
  // With a lag of 0 the engine would not count its replicas.
  absl::Status status = co_await settings_.Change(kReplicaLag, "10");
  if (status.ok()) status = co_await settings_.Change(kReplicasNeeded, "1000000");
  co_return status;
}

asio::awaitable<absl::Status> LiveAdoption::TakeWritesAgain() {
  absl::Status status = co_await settings_.PutBack(kReplicasNeeded);
  if (status.ok()) status = co_await settings_.PutBack(kReplicaLag);
  co_return status;
}

asio::awaitable<absl::Status> LiveAdoption::Transfer(Heir heir, Seq seq) {
  auto transfer = [keeper = keeper_, holder = heir.holder, seq] {
    return keeper->Transfer(holder, seq, {.timeout = absl::Seconds(1)});
  };
  const absl::StatusOr<Epoch> epoch = co_await host_.background->Run(std::move(transfer));
  given_ = epoch.ok() || IsUnknownOutcome(epoch.status());
  if (epoch.ok() || !given_) co_return epoch.status();
  co_return Annotate(epoch.status(),
                     "it is not known whether the agent has the lease; writes to the live engine "
                     "stay refused (CONFIG SET min-replicas-to-write 0 takes that back)");
}

asio::awaitable<void> LiveAdoption::LetGo() {
  if (publisher_ != nullptr) co_await publisher_->Stop();
  co_await PutBackAll();
  link_.Close();
  keeper_ = nullptr;
}

asio::awaitable<void> LiveAdoption::PutBackAll() {
  const bool refuses = settings_.changed(kReplicaLag) && !given_;
  absl::Status status;
  if (refuses && !link_.connected()) status = co_await link_.Connect(kCallPatience);
  if (refuses && status.ok()) status = co_await TakeWritesAgain();
  if (!status.ok()) {
    spdlog::error(
        "the live engine may still refuse writes (CONFIG SET min-replicas-to-write 0 takes that "
        "back): {}",
        ToStd(status.message()));
  }
  if (link_.connected()) (void)co_await settings_.PutBack(kBacklog);
}

}  // namespace cairn::adapter::redis
