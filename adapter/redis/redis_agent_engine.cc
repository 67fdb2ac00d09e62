// RedisAgent: what happens with the engine.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <asio/post.hpp>
#include <utility>
#include <vector>

#include "adapter/redis/engine_promotion.h"
#include "adapter/redis/redis_agent.h"
#include "base/check.h"
#include "base/strings.h"
#include "cairn/error.h"

namespace cairn::adapter::redis {
namespace {

// For one command; the watch decides when an engine counts as gone.
constexpr Millis kCallPatience{10'000};
// An adoption costs the engine a fork.
constexpr Millis kAdoptionPause{5'000};
constexpr absl::Duration kReadTimeout = absl::Seconds(30);

// Reads data records of the log again, for LogMarks.
absl::Status ReadPayloads(Log& log, Seq first, Seq last,
                          const std::function<absl::Status(std::string_view)>& take) {
  ReadOptions read;
  read.call.timeout = kReadTimeout;
  read.start_seq = first;
  read.end_seq = last;
  ReadStream stream = log.Read(read);
  while (true) {
    absl::StatusOr<std::optional<RecordBatch>> batch = stream.Next();
    if (!batch.ok()) return batch.status();
    if (!batch->has_value()) return absl::OkStatus();
    for (const Record& record : (*batch)->records) {
      if (record.kind != RecordKind::kData) continue;
      if (absl::Status taken = take(record.payload); !taken.ok()) return taken;
    }
  }
}

}  // namespace

// ---- What the engine says ---------------------------------------------------------------------

asio::awaitable<absl::Status> RedisAgent::PrepareEngine(EngineLink* link, EngineFacts facts) {
  EngineSetupOptions options = options_.engine_setup;
  absl::StatusOr<EngineSetup> setup =
      co_await SetUpEngine(link, facts, std::move(options), kCallPatience);
  if (!setup.ok()) co_return setup.status();
  for (const std::string& alarm : setup->alarms) spdlog::warn("engine: {}", alarm);
  setup_ = std::make_shared<const EngineSetup>(*std::move(setup));
  // Clients of an earlier life of this agent may have commands in the engine's buffers: what it
  // says of itself must be final.
  std::vector<std::string> argv = Argv("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
  const absl::StatusOr<RespValue> killed = co_await link->CallOk(std::move(argv), kCallPatience);
  co_return killed.status();
}

void RedisAgent::OnEngineReady(const EngineFacts& facts) {
  absl::StatusOr<EngineVersion> version =
      EngineVersion::Parse(fmt::format("{}/{}", facts.kind, facts.version));
  if (!version.ok()) return Fail(version.status());
  engine_version_ = *std::move(version);
  publisher_->SetEngine(engine_version_);
  feeder_->SetEngine(engine_version_);
  run_id_ = facts.run_id;
  front_->EngineUp({watch_->link()->address(), run_id_, facts.version, setup_});
  // A replica may be of an earlier life's sink, whose positions nobody knows.
  EngineClaim claim = KnowsNothing();
  if (facts.primary && facts.has_data) claim = LeadsItself{facts.place()};
  spdlog::info("engine: {} {}, {}, {}", facts.kind, facts.version,
               facts.primary ? "a primary" : "a replica", facts.has_data ? "with data" : "empty");
  Tell(EngineReadyEvent{run_id_, std::move(claim)});
}

void RedisAgent::OnEngineDown(const absl::Status&) {
  ++counted_.engine_downs;
  feeder_->Release();
  front_->EngineDown();
  Tell(EngineDownEvent{});
}

void RedisAgent::OnMemoryLost() {
  spdlog::warn("the engine has lost what it was fed");
  feeder_->Release();
  Tell(EngineDownEvent{});
  Tell(EngineReadyEvent{run_id_, KnowsNothing()});
}

void RedisAgent::OnFeedFailed(const absl::Status& why) {
  spdlog::critical("the engine cannot be fed: {}", ToStd(why.message()));
  if (absl::IsFailedPrecondition(why)) return Tell(VersionFenceEvent{true});
  // What it needs is in a snapshot only.
  if (absl::IsOutOfRange(why)) OnMemoryLost();
}

void RedisAgent::OnCommitted(StreamOffset offset, Seq seq) {
  front_->Committed(offset, seq);
  for (WakeUp* const waiter : commit_waiters_) waiter->Wake();
}

asio::awaitable<void> RedisAgent::AwaitCommitted() {
  WakeUp moved(executor());
  commit_waiters_.insert(&moved);
  co_await moved.Wait(Millis(100));
  commit_waiters_.erase(&moved);
}

void RedisAgent::OnPublisherFailed(PublisherTrouble why, const absl::Status& status) {
  ++counted_.publisher_failures;
  spdlog::warn("the publisher: {}", ToStd(status.message()));
  Tell(PublisherFailedEvent{why});
}

// ---- Orders -----------------------------------------------------------------------------------

asio::awaitable<void> RedisAgent::Promote(PromoteOrder order) {
  const absl::StatusOr<PromotedEvent> promoted =
      co_await PromoteEngine(watch_->link(), feeder_->sink(), order.expected, kCallPatience);
  feeder_->Release();
  if (promoted.ok()) {
    ++counted_.promotions;
    spdlog::info("the engine leads: {} at {}", promoted->place.history, promoted->place.offset);
    co_return Tell(*promoted);
  }
  spdlog::error("promotion failed: {}", ToStd(promoted.status().message()));
  Tell(PromotionFailedEvent{});
}

asio::awaitable<void> RedisAgent::Attach(AttachOrder order) {
  const uint64_t attachment = attachment_;
  Attachment how = Attachment::kFailed;
  if (order.kind == AttachKind::kAgain) {
    how = co_await publisher_->Again();
  } else if (order.kind == AttachKind::kAdopt) {
    how = co_await Adopt(order.epoch);
  } else {
    const absl::StatusOr<uint32_t> db = co_await DatabaseAt(order.from);
    if (db.ok() && attachment == attachment_) {
      StreamPublisher::Beginning beginning;
      beginning.epoch = order.epoch;
      beginning.from = order.from;
      beginning.db = *db;
      how = co_await publisher_->Open(std::move(beginning));
    }
  }
  if (attachment == attachment_) Tell(AttachedEvent{how});
}

// Whatever fails: the engine's memory is the only one, and is never given up (no kGap).
asio::awaitable<Attachment> RedisAgent::Adopt(Epoch epoch) {
  const uint64_t attachment = attachment_;
  ProgressReport report(ProgressReport::Style::kNone, clock());
  const ReplayHost host{.executor = executor(),
                        .background = &background(),
                        .store = options_.store.get(),
                        .report = &report,
                        .engine_command = options_.scratch_command};
  Adoption adoption(host, client(), log(),
                    {.directory = options_.directory, .created_by = options_.address}, clock());
  adoption_ = &adoption;
  const absl::StatusOr<Adoption::Adopted> adopted =
      co_await adoption.Run(watch_->link()->address(), engine_version_, epoch);
  adoption_ = nullptr;
  Attachment how = Attachment::kFailed;
  if (adopted.ok() && attachment == attachment_) {
    StreamPublisher::Beginning beginning;
    beginning.epoch = epoch;
    beginning.from = adopted->place;
    beginning.adopted = Seq(epoch.value());
    how = co_await publisher_->Open(std::move(beginning));
  }
  if (how == Attachment::kContinued || attachment != attachment_) co_return how;
  spdlog::error("the engine's data are not adopted: {}",
                adopted.ok() ? "its stream behind the dump, or the log, broke"
                             : ToStd(adopted.status().message()));
  WakeUp pause(executor());
  if (!ended()) co_await pause.Wait(kAdoptionPause);
  // Another dump must not be another snapshot as of the same record: a new epoch begins anew.
  const bool again = adoption.published() && attachment == attachment_;
  if (again) Tell(PublisherFailedEvent{PublisherTrouble::kUnknown});
  co_return Attachment::kFailed;
}

// An engine that was promoted just now says SELECT before its first write: any will do.
asio::awaitable<absl::StatusOr<uint32_t>> RedisAgent::DatabaseAt(StreamPlace place) {
  const std::optional<Meeting>& published = head().position().published;
  if (!published || !(published->place == place) || marks_.last() == nullptr) co_return 0;
  auto look = [marks = marks_, log = log()]() mutable {
    return marks.Database(
        [&log](Seq first, Seq last, const std::function<absl::Status(std::string_view)>& take) {
          return ReadPayloads(log, first, last, take);
        });
  };
  co_return co_await background().Run(std::move(look));
}

void RedisAgent::Do(const StopPublisherOrder&) {
  ++attachment_;
  Start(StopPublisher());
}

asio::awaitable<void> RedisAgent::StopPublisher() {
  const PublisherStoppedEvent stopped = co_await publisher_->Stop();
  Tell(stopped);
}

asio::awaitable<void> RedisAgent::Resync(ResyncOrder order) {
  ++counted_.resyncs;
  if (paused_) co_await PauseEngine(false);
  feeder_->Resync(std::move(order.meeting));
  const absl::Status told = co_await FollowSink(watch_->link(), feeder_->sink(), kCallPatience);
  if (told.ok()) co_return;
  spdlog::warn("the engine does not follow: {}", ToStd(told.message()));
  Tell(ResyncFailedEvent{});
}

// ---- Clients, and hand-over --------------------------------------------------------------------

void RedisAgent::Do(const FrontOrder& order) {
  FrontReign reign;
  if (order.epoch) {
    reign.epoch = order.epoch;
    reign.lease = desk().guard();
    reign.committed = publisher_->committed();
    reign.seq = publisher_->committed_seq();
  }
  // What clients are let do first, then that they are.
  if (keeper_ != nullptr) {
    order.epoch ? keeper_->BeginReign(order.epoch, OwnSlotEngine()) : keeper_->EndReign();
  }
  front_->SetMode(order.mode, std::move(reign));
  const bool waits = order.mode == FrontMode::kPausing || order.mode == FrontMode::kHolding;
  if (paused_ && !waits) Start(PauseEngine(false));
}

void RedisAgent::Do(const DrainOrder& order) {
  front_->Drain([this, drain = order.drain] {
    asio::post(io(), [this, drain] { Start(FinishDrain(drain)); });
  });
}

// No client writes any more. What the engine would still write by itself, such as expiries, has to
// wait, or the log would move on right under the transfer.
asio::awaitable<void> RedisAgent::FinishDrain(uint64_t drain) {
  const uint64_t attachment = attachment_;
  co_await PauseEngine(true);
  const absl::StatusOr<EngineFacts> facts = co_await ObserveEngine(watch_->link(), kCallPatience);
  if (!facts.ok()) co_return;  // The engine is down, which is told.
  while (publisher_->committed().offset < facts->offset) {
    if (attachment != attachment_ || role().state() != RoleState::kLeaving) co_return;
    co_await AwaitCommitted();
  }
  if (attachment == attachment_) Tell(DrainedEvent{drain, publisher_->committed_seq()});
}

asio::awaitable<void> RedisAgent::PauseEngine(bool pause) {
  paused_ = pause;
  const int64_t patience_ms = 2 * options_.role.pause_patience_us / kMicrosPerMilli;
  std::vector<std::string> argv = Argv("CLIENT", "UNPAUSE");
  if (pause) argv = Argv("CLIENT", "PAUSE", std::to_string(patience_ms), "WRITE");
  const absl::StatusOr<RespValue> done =
      co_await watch_->link()->CallOk(std::move(argv), kCallPatience);
  if (!done.ok()) spdlog::warn("pausing the engine: {}", ToStd(done.status().message()));
}

}  // namespace cairn::adapter::redis
