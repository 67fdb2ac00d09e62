// RedisAgent: the agent of one Redis or Valkey: puts engine, publisher, feeder and front beside
// what all agents have (agent.h).
//
//   EngineWatch ── StreamFeeder ── StreamPublisher ── FrontPort ─► clients
//        └── events ─►  Role (agent.h)  ── orders ──┘
//
// It decides nothing: orders that need the engine or the log are coroutines of the engine thread.
//
// Threads: Run() makes its caller the engine thread; Request… from any thread. Lifetime: the front
// outlives Run(). Bounds: constant; those of the parts.
#pragma once

#include <asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "adapter/agent.h"
#include "adapter/other_logs.h"
#include "adapter/redis/adoption.h"
#include "adapter/redis/discovery/cache_view.h"
#include "adapter/redis/engine_process.h"
#include "adapter/redis/engine_setup.h"
#include "adapter/redis/engine_watch.h"
#include "adapter/redis/front_port.h"
#include "adapter/redis/log_marks.h"
#include "adapter/redis/resharding/slot_keeper.h"
#include "adapter/redis/snapshot_feed.h"
#include "adapter/redis/stream_feeder.h"
#include "adapter/redis/stream_publisher.h"

namespace cairn::adapter::redis {

struct RedisAgentOptions : AgentOptions {
  std::string cache;    // Of several logs, of which `log` is one; empty: of this one.
  uint32_t shards = 0;  // Their count.

  // The engine is a child, or else somebody runs it there.
  std::optional<EngineProcessOptions> engine_process;
  EngineAddress engine_address;
  EngineSetupOptions engine_setup;

  // Of snapshots, for engines that begin anew; null: there is none, and nothing can be adopted.
  std::shared_ptr<objects::ObjectStore> store;
  std::vector<std::string> scratch_command = {"redis-server"};  // Of throw-away engines.
  std::string directory;  // This agent's own; dumps lie there meanwhile.
};

class RedisAgent : public Agent,
                   public FrontHost,
                   public EngineWatchOwner,
                   public SlotKeeperHost,
                   public StreamFeederOwner,
                   public StreamPublisherOwner {
 public:
  RedisAgent(RedisAgentOptions options, const Clock* clock, OnState on_state);
  ~RedisAgent() override;

  // Until it was asked to stop (OK), or cannot go on. The front is stopped in any case.
  absl::Status Run(FrontPort* front);

  // Any thread.
  void RequestHandOver(std::string heir) override { AskForHandOver(std::move(heir)); }
  [[nodiscard]] RedisStatus Status() const override ABSL_LOCKS_EXCLUDED(status_mutex_);

 private:
  // redis_agent.cc: life and views.
  void MakeParts() override;
  void MakeFeeder();
  absl::Status StartParts() override;
  asio::awaitable<void> StopParts() override;
  asio::awaitable<void> StopEngine() override;
  void StopFront() override;
  absl::StatusOr<std::optional<StreamPlace>> ReadPlace(Record* record) override {
    return marks_.Read(record);
  }
  void OnLogReachable(bool reachable) override { front_->SetLogReachable(reachable); }
  void RefreshView() override;
  void RefreshStatus() override;

  // redis_agent_shards.cc
  asio::awaitable<absl::Status> Prepare() override;
  struct FoundSlots {
    SlotLog log;
    SlotEntry first;
  };
  using SlotFinder = std::function<absl::StatusOr<std::shared_ptr<FoundSlots>>()>;
  [[nodiscard]] SlotFinder FindSlots();
  void MakeShards();
  void RefreshShards();
  [[nodiscard]] SlotEngine OwnSlotEngine();
  asio::awaitable<absl::StatusOr<Seq>> CommitAll();
  void OnSlots() override;
  void DrainSlots(SlotRanges slots, std::string target, std::function<void()> done) override {
    front_->DrainSlots(std::move(slots), std::move(target), std::move(done));
  }

  // redis_agent_engine.cc: what happens with the engine.
  void Do(const FeedOrder& order) override { feeder_->Bound(order.through); }
  void Do(const PromoteOrder& order) override { Start(Promote(order)); }
  void Do(const AttachOrder& order) override { Start(Attach(order)); }
  void Do(const StopPublisherOrder& order) override;
  void Do(const ResyncOrder& order) override { Start(Resync(order)); }
  void Do(const FrontOrder& order) override;
  void Do(const DrainOrder& order) override;
  asio::awaitable<void> Promote(PromoteOrder order);
  asio::awaitable<void> Attach(AttachOrder order);
  asio::awaitable<Attachment> Adopt(Epoch epoch);
  asio::awaitable<absl::StatusOr<uint32_t>> DatabaseAt(StreamPlace place);
  asio::awaitable<void> StopPublisher();
  asio::awaitable<void> Resync(ResyncOrder order);
  asio::awaitable<void> FinishDrain(uint64_t drain);
  asio::awaitable<void> PauseEngine(bool pause);

  asio::awaitable<absl::Status> PrepareEngine(EngineLink* link, EngineFacts facts) override;
  void OnEngineReady(const EngineFacts& facts) override;
  void OnEngineDown(const absl::Status& why) override;
  void OnResynced(Seq seq, StreamOffset offset) override { Tell(ResyncedEvent{seq, offset}); }
  void OnFed(const EngineFedEvent& fed) override { Tell(fed); }
  void OnMemoryLost() override;
  void OnFeedFailed(const absl::Status& why) override;
  void OnCommitted(StreamOffset offset, Seq seq) override;
  // Until the log has more, or for a moment.
  asio::awaitable<void> AwaitCommitted();
  void OnPublisherFailed(PublisherTrouble why, const absl::Status& status) override;

  const RedisAgentOptions options_;
  FrontPort* front_ = nullptr;  // Of Run.

  LogMarks marks_;
  std::unique_ptr<EngineProcess> process_;
  std::unique_ptr<EngineWatch> watch_;
  std::unique_ptr<SnapshotFeed> snapshots_;
  Adoption* adoption_ = nullptr;  // Under way.
  std::unique_ptr<StreamFeeder> feeder_;
  std::unique_ptr<StreamPublisher> publisher_;
  std::shared_ptr<const EngineSetup> setup_;
  std::string run_id_;
  EngineVersion engine_version_;

  uint64_t attachment_ = 0;  // Counts StopPublisher orders: an Attach before one is not answered.
  bool paused_ = false;
  std::set<WakeUp*> commit_waiters_;  // Whoever is in AwaitCommitted.
  CacheView view_;
  // Of a cache of several logs; null of others.
  std::shared_ptr<FoundSlots> found_slots_;  // Until they are followed.
  std::unique_ptr<ProgressReport> no_report_;
  std::unique_ptr<SlotKeeper> keeper_;
  std::unique_ptr<OtherLogs> shards_;
  std::vector<OtherLog> other_logs_;
  SlotRanges slots_ = {SlotRange()};
  std::vector<ShardView> others_;

  mutable absl::Mutex status_mutex_;
  RedisStatus status_told_ ABSL_GUARDED_BY(status_mutex_);
};

}  // namespace cairn::adapter::redis
