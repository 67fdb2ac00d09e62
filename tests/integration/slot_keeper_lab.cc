#include "tests/integration/slot_keeper_lab.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <utility>

#include "adapter/redis/engine_setup.h"
#include "adapter/redis/resharding/move_rules.h"

namespace cairn::integration {

using adapter::Millis;
using adapter::WakeUp;
using adapter::redis::MovePhase;
using adapter::redis::SlotEngine;
using adapter::redis::SlotEntry;
using adapter::redis::SlotKeeper;
using adapter::redis::SlotLog;
using adapter::redis::SlotState;

namespace {

constexpr char kCache[] = "cache";
constexpr CallOptions kCall{.timeout = absl::Seconds(30)};
constexpr absl::Duration kTtl = absl::Seconds(600);
constexpr Millis kLook{2};

ProcessCluster::Options OneNode(const std::string& dir) {
  ProcessCluster::Options options;
  options.program = CAIRN_BIN_DIR "/cairnd";
  options.dir = dir;
  options.nodes = 1;
  return options;
}

}  // namespace

// ---- SlotWorld --------------------------------------------------------------------------------

SlotWorld::SlotWorld() : cluster_(OneNode(temp_.path())) {
  cluster_.StartAll();
  CHECK(cluster_.AwaitAllReady());
  auto client = Client::Connect({.endpoints = cluster_.Endpoints()});
  CHECK(client.ok());
  client_ = *std::move(client);
  auto log = SlotLog::Open(client_.get(), kCache, /*create=*/true, kCall);
  CHECK(log.ok());
  log_ = *std::move(log);
  CHECK(AgreeOnSlots(*log_, {kCache, "cache/1", 2}, kCall).ok());
}

SlotState SlotWorld::Slots() {
  const auto entry = log_->Read(kCall);
  CHECK(entry.ok() && entry->has_value());
  return (**entry).state;
}

void SlotWorld::Say(const Rule& rule) {
  EXPECT_TRUE(Until([&] {
    const auto last = log_->Read(kCall);
    if (!last.ok() || !*last) return false;
    const auto next = rule((**last).state);
    return next.ok() && *next && log_->Append((**last).seq, **next, kCall).ok();
  }));
}

void SlotWorld::BeginMove(uint32_t cut_ms) {
  Say([&](const SlotState& state) -> absl::StatusOr<std::optional<SlotState>> {
    return adapter::redis::BeginMove(state, {0, 4095}, "cache/2", clock_.Wall(), cut_ms);
  });
}

void SlotWorld::Abort() {
  Say([](const SlotState& state) -> absl::StatusOr<std::optional<SlotState>> {
    return adapter::redis::AbortMove(state, "the test");
  });
}

bool SlotWorld::AwaitPhase(MovePhase phase) {
  return Until([&] {
    const SlotState state = Slots();
    return state.move && state.move->phase == phase;
  });
}

bool SlotWorld::AwaitOver() {
  return Until([&] { return !Slots().move; });
}

bool SlotWorld::Until(const std::function<bool()>& condition) { return engines_.Until(condition); }

// ---- KeptLog ----------------------------------------------------------------------------------

KeptLog::KeptLog(SlotWorld* world, std::string name, Options options)
    : world_(world),
      name_(std::move(name)),
      directory_(world->engines().Directory(name_.substr(name_.find('/') + 1))),
      options_(std::move(options)),
      report_(adapter::ProgressReport::Style::kNone, world->clock()) {
  OpenLogOptions open;
  open.create_if_missing = true;
  open.call = kCall;
  const auto log = world_->client()->OpenLog(name_, open);
  CHECK(log.ok());
  log_ = *log;
  const adapter::ReplayHost host{.executor = world_->engines().executor(),
                                 .background = &world_->background(),
                                 .report = &report_,
                                 .engine_command = options_.throw_away};
  SlotKeeper::Options keeping;
  keeping.log = name_;
  keeping.directory = directory_;
  // What the test does not decide is short.
  keeping.drain_patience = keeping.retry = Millis(5);
  std::filesystem::create_directories(directory_);
  keeper_.emplace(host, world_->client(), *log_, std::move(keeping), world_->clock(), this);
  const auto first = world_->log().Read(kCall);
  CHECK(first.ok() && first->has_value());
  keeper_->Start(world_->log(), **first);
}

KeptLog::~KeptLog() {
  commit = Commits::kFail;
  world_->engines().Run(keeper_->Stop());
  if (!epoch_) return;
  EXPECT_TRUE(log_->ReleaseLease("primary", epoch_).ok());
}

bool KeptLog::copies() const { return std::filesystem::exists(directory_ + "/slots/engine"); }

SlotEngine KeptLog::Engine() {
  SlotEngine engine;
  engine.commit_all = [this] { return CommitAll(); };
  engine.flushes = [] { return uint64_t{0}; };
  if (options_.engine == nullptr) return engine;
  const auto facts = options_.engine->Facts();
  const auto version = adapter::redis::EngineVersion::Parse(facts.kind + "/" + facts.version);
  CHECK(version.ok());
  engine.version = *version;
  const auto setup = world_->engines().Run(adapter::redis::SetUpEngine(
      options_.engine->link(), facts, adapter::redis::EngineSetupOptions(), Millis(20'000)));
  CHECK(setup.ok());
  engine.commands = std::make_shared<const adapter::redis::CommandTable>(setup->commands);
  engine.link = std::make_shared<adapter::redis::KeyLink>(world_->engines().executor(),
                                                          options_.engine->address());
  return engine;
}

void KeptLog::Reign() {
  ASSERT_TRUE(world_->Until([&] {
    const auto epoch = log_->AcquireLease("primary", "the test", kTtl);
    if (epoch.ok()) epoch_ = *epoch;
    return epoch.ok();
  }));
  keeper_->BeginReign(epoch_, Engine());
}

void KeptLog::Reconnect() {
  keeper_->EndReign();
  keeper_->BeginReign(epoch_, Engine());
}

void KeptLog::DrainSlots(adapter::redis::SlotRanges, std::string, std::function<void()> done) {
  ++drains_;
  if (drain_ends) done();
}

asio::awaitable<absl::StatusOr<Seq>> KeptLog::CommitAll() {
  ++commits_;
  WakeUp look(world_->engines().executor());
  while (commit == Commits::kNever) co_await look.Wait(kLook);
  if (commit == Commits::kFail) co_return absl::UnavailableError("the log is overloaded");
  co_return Seq(1);
}

}  // namespace cairn::integration
