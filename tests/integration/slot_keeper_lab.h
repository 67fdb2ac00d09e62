// SlotWorld and KeptLog: moves of slots between two logs of a cache, in which the slot keepers of
// agents are real, and so are the logs; what an agent has besides, its front, its publisher and the
// time, the test plays. So it decides which call never ends, and how long that takes.
//
//   SlotWorld world;                            // A node, the logs, one clock for all.
//   KeptLog source(&world, "cache/1", {}); source.Reign();
//   world.BeginMove(); … world.Until([&] { return !source.held().empty(); }) …
//
// Threads: the test's own is the engine thread (tests/adapter/engine_fixture.h). Lifetime: the
// world outlives the logs' parts.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "adapter/background.h"
#include "adapter/progress_report.h"
#include "adapter/redis/resharding/slot_keeper.h"
#include "cairn/client.h"
#include "tests/adapter/engine_fixture.h"
#include "tests/integration/process_cluster.h"
#include "tests/support/temp_dir.h"

namespace cairn::integration {

class SlotWorld {
 public:
  class PlayedClock : public Clock {
   public:
    [[nodiscard]] MonoMicros Mono() const override { return now_us; }
    [[nodiscard]] WallMicros Wall() const override { return now_us; }
    MonoMicros now_us = kMicrosPerSecond;
  };

  SlotWorld();

  // Slots of cache/1 to cache/2.
  void BeginMove(uint32_t cut_ms = adapter::redis::kDefaultCutMs);
  void Abort();
  // What the slot log says now.
  [[nodiscard]] adapter::redis::SlotState Slots();
  // The move is in this phase.
  [[nodiscard]] bool AwaitPhase(adapter::redis::MovePhase phase);
  // No move is under way.
  [[nodiscard]] bool AwaitOver();
  // Runs the engine thread meanwhile; false after a time that is long enough.
  [[nodiscard]] bool Until(const std::function<bool()>& condition);
  void Pass(absl::Duration time) { clock_.now_us += absl::ToInt64Microseconds(time); }

  // One record more, as `make` has it of the last one; again until it is taken.
  using Rule = std::function<absl::StatusOr<std::optional<adapter::redis::SlotState>>(
      const adapter::redis::SlotState&)>;
  void Say(const Rule& rule);

  [[nodiscard]] Client* client() { return client_.get(); }
  [[nodiscard]] const adapter::redis::SlotLog& log() const { return *log_; }
  [[nodiscard]] adapter::redis::EngineWorld& engines() { return engines_; }
  [[nodiscard]] adapter::Background& background() { return background_; }
  [[nodiscard]] const Clock* clock() const { return &clock_; }

 private:
  testing::TempDir temp_;
  ProcessCluster cluster_;
  std::unique_ptr<Client> client_;
  std::optional<adapter::redis::SlotLog> log_;
  PlayedClock clock_;
  adapter::Background background_{8};
  adapter::redis::EngineWorld engines_;
};

// The keeper of the log's agent.
class KeptLog : public adapter::redis::SlotKeeperHost {
 public:
  struct Options {
    adapter::redis::TestEngine* engine =
        nullptr;  // Null: for a source that never gives slots away.
    std::vector<std::string> throw_away = {"redis-server"};
  };
  // How SlotEngine::commit_all ends.
  enum class Commits : uint8_t { kAtOnce, kFail, kNever };

  KeptLog(SlotWorld* world, std::string name, Options options);
  ~KeptLog() override;

  // The lease is taken, and the keeper serves under it. Once.
  void Reign();
  // The engine has gone, and is there again, under the same lease.
  void Reconnect();

  // Whose calls the front puts off.
  [[nodiscard]] adapter::redis::SlotRanges held() const { return keeper_->Held(); }
  [[nodiscard]] const adapter::redis::SlotCounts& counts() const { return keeper_->counts(); }
  // How many of the cache's it knows.
  [[nodiscard]] size_t logs() const { return keeper_->state().logs.size(); }
  // A throw-away engine is being started, or is there.
  [[nodiscard]] bool copies() const;
  // How often the front was asked to let calls end, and the log to take everything.
  [[nodiscard]] int drains() const { return drains_; }
  [[nodiscard]] int commits() const { return commits_; }

  bool drain_ends = true;
  Commits commit = Commits::kAtOnce;  // Calls that kNever has kept go by what it becomes.

 private:
  void OnSlots() override {}
  void DrainSlots(adapter::redis::SlotRanges slots, std::string target,
                  std::function<void()> done) override;
  asio::awaitable<absl::StatusOr<Seq>> CommitAll();
  adapter::redis::SlotEngine Engine();

  SlotWorld* const world_;
  const std::string name_;
  const std::string directory_;
  const Options options_;
  std::optional<Log> log_;
  adapter::ProgressReport report_;
  std::optional<adapter::redis::SlotKeeper> keeper_;
  Epoch epoch_;
  int drains_ = 0;
  int commits_ = 0;
};

}  // namespace cairn::integration
