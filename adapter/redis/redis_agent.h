// RedisAgent: one engine's agent: puts the role machine, the log, the engine and the front
// together.
//
//   LogHead ── LeaseDesk ── AgentPresence          EngineWatch ── StreamFeeder ── StreamPublisher
//        └──────────┴─ events ─►  Role  ─ orders ─┴──────────────────┴───────────────┘
//                                   └─ FrontPort ─► clients
//
// It decides nothing: each order becomes calls of the parts, and what they say becomes events, in
// their order. Orders that need the engine or the log are coroutines of the engine thread; role.h
// tells what is owed to the machine.
//
// Threads: Run() makes its caller the engine thread; Request… from any thread. Lifetime: the front
// outlives Run(). Bounds: constant; those of the parts.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "adapter/agent_presence.h"
#include "adapter/background.h"
#include "adapter/holder_names.h"
#include "adapter/lease_desk.h"
#include "adapter/log_head.h"
#include "adapter/redis/adoption.h"
#include "adapter/redis/discovery/shard_watch.h"
#include "adapter/redis/engine_process.h"
#include "adapter/redis/engine_setup.h"
#include "adapter/redis/engine_watch.h"
#include "adapter/redis/front_port.h"
#include "adapter/redis/log_marks.h"
#include "adapter/redis/snapshot_feed.h"
#include "adapter/redis/stream_feeder.h"
#include "adapter/redis/stream_publisher.h"
#include "adapter/role.h"
#include "cairn/client.h"

namespace cairn::adapter::redis {

struct RedisAgentOptions {
  ClientOptions cluster;
  std::string log;      // Created, fenced, when there is none.
  std::string cache;    // Of several logs, of which `log` is one; empty: of this one.
  uint32_t shards = 0;  // Their count.
  std::string lease_name = "primary";
  absl::Duration lease_ttl = absl::Seconds(2);

  std::string agent_id;     // Of the data directory, which is locked.
  std::string incarnation;  // Of this life.
  std::string address;      // "host:port" where clients reach it.
  std::string sentinel;     // The same for its Sentinel's port; empty: it has none.

  // The engine is a child, or else somebody runs it there.
  std::optional<EngineProcessOptions> engine_process;
  EngineAddress engine_address;
  EngineSetupOptions engine_setup;

  // Of snapshots, for engines that begin anew; null: there is none, and nothing can be adopted.
  std::shared_ptr<SnapshotStore> store;
  std::vector<std::string> scratch_command = {"redis-server"};  // Of throw-away engines.
  std::string directory;  // This agent's own; dumps lie there meanwhile.

  RoleOptions role;
};

class RedisAgent : public FrontHost,
                   public EngineWatchOwner,
                   public LogHeadOwner,
                   public StreamFeederOwner,
                   public StreamPublisherOwner {
 public:
  // Told when the role changes, on the engine thread; the first kFollower is told when the front
  // opens for the first time.
  using OnState = std::function<void(RoleState, Epoch)>;

  RedisAgent(RedisAgentOptions options, const Clock* clock, OnState on_state);
  ~RedisAgent() override;
  RedisAgent(const RedisAgent&) = delete;
  RedisAgent& operator=(const RedisAgent&) = delete;

  // Until it was asked to stop (OK), or cannot go on. The front is stopped in any case.
  absl::Status Run(FrontPort* front);

  // Hands the lease over, if there is an heir, and ends. Any thread.
  void RequestStop();
  void RequestHandOver(std::string heir) override;
  [[nodiscard]] AgentStatus Status() const override ABSL_LOCKS_EXCLUDED(status_mutex_);

 private:
  // redis_agent.cc: life, events and orders.
  asio::awaitable<void> Begin();
  asio::awaitable<bool> OpenLog();
  asio::awaitable<bool> FindSlots();  // redis_agent_shards.cc
  void MakeParts(const Log& log);
  asio::awaitable<void> Pulse();
  asio::awaitable<void> CountReplicas();
  asio::awaitable<void> Shutdown();
  void Fail(const absl::Status& why);
  void Tell(RoleEvent event);
  void ArmTick();
  void NoteState();
  void RefreshView();
  void RefreshStatus();
  [[nodiscard]] std::string FindHeir(const std::string& wanted) const;

  void Do(const CampaignOrder& order) { desk_->Do(order); }
  void Do(const TakeOverOrder& order) { desk_->Do(order); }
  void Do(const AdoptLeaseOrder& order) { desk_->Do(order); }
  void Do(const ReleaseOrder& order) { desk_->Do(order); }
  void Do(const DropLeaseOrder& order) { desk_->Do(order); }
  void Do(const TransferOrder& order) {
    ++counted_.hand_overs;
    desk_->Do(order);
  }
  void Do(const FeedOrder& order) { feeder_->Bound(order.through); }
  void Do(const PromoteOrder& order);
  void Do(const AttachOrder& order);
  void Do(const StopPublisherOrder& order);
  void Do(const ResyncOrder& order);
  void Do(const FrontOrder& order);
  void Do(const DrainOrder& order);
  void Do(const ReportOrder& order);
  void Do(const ExitOrder& order);

  // redis_agent_engine.cc: what happens with the engine.
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
  void OnSeen(const LogSeenEvent& seen) override { Tell(seen); }
  void OnHeadFailed(const absl::Status& why) override { Fail(why); }
  void OnResynced(Seq seq, StreamOffset offset) override { Tell(ResyncedEvent{seq, offset}); }
  void OnFed(const EngineFedEvent& fed) override { Tell(fed); }
  void OnMemoryLost() override;
  void OnFeedFailed(const absl::Status& why) override;
  void OnCommitted(StreamOffset offset, Seq seq) override;
  void OnPublisherFailed(PublisherTrouble why, const absl::Status& status) override;

  const RedisAgentOptions options_;
  const Clock* const clock_;
  const OnState on_state_;
  const HolderNames names_;
  FrontPort* front_ = nullptr;  // Of Run.

  asio::io_context io_;
  Background background_;
  std::unique_ptr<Client> client_;
  std::unique_ptr<Log> log_;
  LogMarks marks_;
  std::unique_ptr<LogHead> head_;
  std::unique_ptr<LeaseDesk> desk_;
  std::unique_ptr<AgentPresence> presence_;
  std::unique_ptr<EngineProcess> process_;
  std::unique_ptr<EngineWatch> watch_;
  std::unique_ptr<SnapshotFeed> snapshots_;
  Adoption* adoption_ = nullptr;  // Under way.
  std::unique_ptr<StreamFeeder> feeder_;
  std::unique_ptr<StreamPublisher> publisher_;
  std::shared_ptr<const EngineSetup> setup_;
  std::string run_id_;
  EngineVersion engine_version_;

  Role role_;
  std::deque<RoleEvent> events_;
  bool handling_ = false;
  asio::steady_timer tick_;
  std::optional<MonoMicros> tick_at_us_;
  std::mt19937_64 random_;
  uint64_t attachment_ = 0;  // Counts StopPublisher orders: an Attach before one is not answered.
  bool paused_ = false;
  WakeUp committed_moved_;
  CacheView view_;
  SlotRange slots_;
  std::unique_ptr<ShardWatch> shards_;  // Null: there is one log.
  std::vector<ShardView> others_;
  RoleState told_state_ = RoleState::kStopped;
  bool reachable_ = false;
  uint32_t log_replicas_ = 1;  // That vote on what is committed.
  bool counting_ = false;
  WakeUp count_;
  bool stopping_ = false;
  bool ended_ = false;
  absl::Status status_;

  AgentStatus counted_;  // What is counted; the rest is looked at.
  mutable absl::Mutex status_mutex_;
  AgentStatus status_told_ ABSL_GUARDED_BY(status_mutex_);
};

}  // namespace cairn::adapter::redis
