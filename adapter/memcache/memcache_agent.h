// MemcacheAgent: the agent of one memcached: puts engine, view, writer and front beside what all
// agents have (agent.h).
//
//   EngineWatch ── ViewFeeder ── Writer ── Front ─► clients
//        └── events ─►  Role (agent.h)  ── orders ──┘
//
// memcached has no stream of its own, so the places of role.h mean this: while an engine follows,
// its offset is the seq that it holds; while it leads, it counts the effects of the reign. What
// leads is never trusted beyond its reign: the writer knows what the engine holds then
// (Writer::Standing), and the feeder gives it what it lacks, item by item where it can.
//
// Threads: Run() makes its caller the engine thread; Submit, pending_bytes, Status and Request…
// from any thread. Lifetime: the front outlives Run(). Bounds: those of the parts.
#pragma once

#include <asio/awaitable.hpp>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "adapter/agent.h"
#include "adapter/memcache/engine_process.h"
#include "adapter/memcache/engine_watch.h"
#include "adapter/memcache/front/front.h"
#include "adapter/memcache/memcache_status.h"
#include "adapter/memcache/view.h"
#include "adapter/memcache/view_feeder.h"
#include "adapter/memcache/writer.h"
#include "adapter/other_logs.h"
#include "adapter/progress_report.h"
#include "storage/objects/object_store.h"

namespace cairn::adapter::memcache {

struct MemcacheAgentOptions : AgentOptions {
  // The engine is a child, or else somebody runs it there.
  std::optional<EngineProcessOptions> engine_process;
  EngineAddress engine_address;
  std::string directory;  // This agent's own; the view is in it.
  Writer::Options writer;
  bool local_reads = false;   // Standbys answer reads.
  bool on_miss_view = false;  // What the engine lacks is brought back from the view.
  std::shared_ptr<objects::ObjectStore> store;  // Null: there is none.
  std::vector<std::string> ring;                // Other logs of the cache.
};

class MemcacheAgent : public Agent,
                      public EngineWatchOwner,
                      public ViewFeederOwner,
                      public WriterOwner {
 public:
  MemcacheAgent(MemcacheAgentOptions options, const Clock* clock, OnState on_state);
  ~MemcacheAgent() override;

  // Until it was asked to stop (OK), or cannot go on. The front is stopped in any case.
  absl::Status Run(Front* front);

  // For the front. Any thread; not after Run() has returned.
  void Submit(std::vector<WriteRequest> requests);
  [[nodiscard]] size_t pending_bytes() const;

  [[nodiscard]] MemcacheStatus Status() const ABSL_LOCKS_EXCLUDED(status_mutex_);

 private:
  // memcache_agent.cc: life and views.
  void MakeParts() override;
  absl::Status StartParts() override;
  absl::StatusOr<std::unique_ptr<View>> OpenView();
  absl::Status RestoreView(View* view);
  asio::awaitable<void> StopParts() override;
  asio::awaitable<void> StopEngine() override;
  void StopFront() override;
  absl::StatusOr<std::optional<StreamPlace>> ReadPlace(Record* record) override;
  void OnLogReachable(bool) override {}
  void RefreshView() override;
  void RefreshStatus() override;
  void FlushIfDue();
  asio::awaitable<absl::StatusOr<HeldItems>> LookUp(std::vector<std::string> keys, Seq at_least);
  void TellFront();
  void SetDoors(const std::string& own);

  // memcache_agent_orders.cc
  void Do(const FeedOrder& order) override { feeder_->Bound(order.through); }
  void Do(const PromoteOrder& order) override;
  void Do(const AttachOrder& order) override { Start(Attach(order)); }
  void Do(const StopPublisherOrder& order) override;
  void Do(const ResyncOrder& order) override;
  void Do(const FrontOrder& order) override;
  void Do(const DrainOrder& order) override { Start(Drain(order.drain)); }
  asio::awaitable<void> Attach(AttachOrder order);
  asio::awaitable<void> StopWriter();
  asio::awaitable<void> Drain(uint64_t drain);
  void TellMemoryUnknown();
  // It has not answered what it was told, which must not come behind what it will be told.
  void EndEngine();
  // `undrained`: on which it may still answer; null: that broke.
  void FenceEngine(std::unique_ptr<EngineConnection> undrained);

  void OnEngineReady(const EngineFacts& facts) override;
  void OnEngineDown(const absl::Status& why) override;
  void OnResynced(Seq seq) override;
  void OnFed(Seq seq) override;
  void OnFillFailed(const absl::Status& why) override;
  void OnViewFailed(const absl::Status& why) override;
  void OnWriterFailed(PublisherTrouble why, const absl::Status& status) override;

  const MemcacheAgentOptions options_;
  ProgressReport report_;
  std::unique_ptr<OtherLogs> ring_;
  std::vector<OtherLog> others_;
  Front* front_ = nullptr;  // Of Run.
  std::unique_ptr<EngineProcess> process_;
  std::unique_ptr<EngineWatch> watch_;
  std::unique_ptr<View> view_;
  std::unique_ptr<ViewFeeder> feeder_;
  std::unique_ptr<Writer> writer_;
  std::atomic<Writer*> writer_told_{nullptr};  // For other threads; null before it is made.

  std::string engine_life_;
  uint64_t engine_lives_ = 0;
  // What the engine holds while it is neither fed nor written to.
  EngineHolds holds_;
  uint64_t reigns_ = 0;
  uint64_t attachment_ = 0;  // Counts StopPublisher orders: an Attach before one is not answered.
  std::optional<UnixSeconds> flush_ordered_;  // For the pending flush of that time.
  FrontFacts facts_;

  mutable absl::Mutex status_mutex_;
  MemcacheStatus status_told_ ABSL_GUARDED_BY(status_mutex_);
};

}  // namespace cairn::adapter::memcache
