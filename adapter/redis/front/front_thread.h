// FrontThread: one io thread of the front, with the clients and engine connections that are its
// own.
//
//   a turn of the loop: sockets that have something → sessions → backends' batches
//   its end (EndTurn):  every backend is flushed once, then every client that was touched
//
// So what all clients sent in one turn leaves for the engine in one packet, with one ROLE.
//
// Threads: everything runs on the thread's own io_context; the methods marked so may be called from
//   any thread and only post. Lifetime: Stop() before destruction.
#pragma once

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "adapter/redis/discovery/cluster_map.h"
#include "adapter/redis/front/backend_pool.h"
#include "adapter/redis/front/reign.h"
#include "adapter/redis/front/session.h"
#include "adapter/redis/front/session_host.h"
#include "adapter/redis/front_port.h"
#include "adapter/redis/lag_bound.h"
#include "adapter/redis/reply_gate.h"

namespace cairn::adapter::redis {

// In whose words clients find the primary. kCluster also changes what replicas answer to clients
// that know nothing of clusters, so it has to be asked for.
enum class Discovery : uint8_t { kNone, kSentinel, kCluster };

struct FrontOptions {
  std::string listen = "127.0.0.1:6379";  // "host:port"; port 0: the kernel's choice.
  std::string advertise;                  // Where clients reach it; empty: where it listens.
  int io_threads = 0;                     // 1 … 64; 0: see CountIoThreads.
  // Not empty: clients use TLS at `tls_listen`, or, if that is empty, at `listen`.
  TlsFiles tls;
  std::string tls_listen;
  int64_t handshake_timeout_us = kHandshakeTimeoutUs;
  size_t max_clients = 10'000;
  Durability durability = Durability::kSync;
  int64_t hold_timeout_us = 10 * kMicrosPerSecond;
  LagBound::Options lag;
  SessionLimits limits;
  Discovery discovery = Discovery::kSentinel;
  std::string sentinel_listen;  // Empty: no port of its own for Sentinel.
};

// What an agent command may want to know of the whole front.
struct FrontFacts {
  CacheView view;
  std::optional<ClusterMap> cluster;  // Discovery::kCluster.
  std::string own_address;
  FrontHost* host = nullptr;
};

using FrontCrew = std::vector<std::unique_ptr<class FrontThread>>;

class FrontThread : public SessionHost, private BackendOwner {
 public:
  // `crew`: all of them, this one at place `index`; complete before the first client comes.
  FrontThread(const FrontOptions* options, const FrontCrew* crew, size_t index,
              std::atomic<size_t>* clients, std::atomic<uint64_t>* next_client_id);
  ~FrontThread() override;

  // ---- Any thread --------------------------------------------------------------------------
  asio::io_context& io() { return io_; }
  // On the own thread's context, right after it was accepted.
  void Adopt(ClientStream::Socket socket, const ClientTls& tls);
  void EngineUp(const FrontEngine& engine);
  void EngineDown();
  void SetMode(FrontMode mode, std::shared_ptr<Reign> reign);
  // The reign's committed offset has moved.
  void NoteCommit();
  void Drain(std::function<void()> done);
  // See FrontPort.
  void DrainSlots(SlotRanges slots, std::string target, std::function<void()> done);
  void SetLogReachable(bool reachable);
  void SetFacts(std::shared_ptr<const FrontFacts> facts);
  void AddTo(FrontStats* stats) const { counters_.AddTo(stats); }
  void Stop();

  // ---- SessionHost -------------------------------------------------------------------------
  const CommandTable& commands() const override { return setup_->commands; }
  FrontCounters& counters() override { return counters_; }
  const SessionLimits& limits() const override { return limits_; }
  const std::string& own_user() const override { return own_user_; }
  BackendPool& pool() override { return *pool_; }
  SharedKeyMarks& marks() override { return reign_->marks; }
  Durability default_durability() const override { return options_.durability; }
  MonoMicros now_us() const override;
  MonoMicros hold_deadline_us() const override { return now_us() + options_.hold_timeout_us; }
  StreamOffset committed() const override { return committed_; }
  FrontMode mode() const override { return mode_; }
  bool MayAnswer() const override;
  std::optional<std::string> RefuseWrite(Durability durability) override;
  std::unique_ptr<KeyBlock> BlockKeys(std::vector<KeyHash> keys) override {
    return std::make_unique<KeyBlock>(reign_, std::move(keys));
  }
  void UnblockLater(std::unique_ptr<KeyBlock> block) override;
  bool AreBlocked(std::span<const KeyHash> keys) const override {
    return reign_->blocked.Contains(keys);
  }
  BatchId AskOffset(const Identity& identity) override;
  void Touch(Session* session) override;
  void AwaitBatch(BatchId batch, Session* session) override;
  void AwaitThrough(BatchId through, Session* session) override;
  void ResumeLater(Session* session) override;
  void AwaitMode(Session* session) override { await_mode_.push_back(session->id()); }
  void AwaitCommit(Session* session) override { await_commit_.insert(session->id()); }
  void OnFinished(Session* session) override;
  std::string WordInfo(std::string reply, RespVersion version) override;
  SlotRoute Route(std::span<const std::string_view> argv, const CommandPlan& plan,
                  bool read_only) const override;
  SlotRoute RouteAgain(SlotTouch touch) const override;
  MonoMicros route_deadline_us() const override { return now_us() + options_.hold_timeout_us; }
  void AnswerAgentCommand(Session& session, AgentCommand command,
                          std::span<const std::string_view> argv) override;

  // ---- For agent commands ------------------------------------------------------------------
  // What an io thread tells another: a line for each client, by id, or how many there were.
  struct CrewAnswer {
    std::vector<std::pair<uint64_t, std::string>> lines;
    int64_t count = 0;
  };
  // Asks all io threads, each on its own thread; `asker`, unless it has gone, answers with what
  // `tell` makes of that. Requires: its answer is due later.
  void AskCrew(Session& asker, std::function<CrewAnswer(FrontThread&)> ask,
               std::function<std::string(CrewAnswer)> tell);
  // All clients that are connected.
  void ForEachClient(const std::function<void(Session&)>& take);
  // Sends a command to the engine as the agent; nobody waits for the reply.
  void TellEngine(std::string command);
  [[nodiscard]] const FrontFacts& facts() const { return *facts_; }
  [[nodiscard]] const FrontOptions& options() const { return options_; }
  [[nodiscard]] Reign& reign() { return *reign_; }
  [[nodiscard]] const LagBound& lag() const { return reign_->lag; }
  [[nodiscard]] const FrontEngine& engine() const { return engine_; }
  [[nodiscard]] const std::string& engine_version() const;
  [[nodiscard]] std::vector<std::string> OtherAddresses() const;

 private:
  // Keys that are free when the batch is known, and its offset committed.
  struct Unblocking {
    BatchId batch;  // 0 once it is known.
    StreamOffset offset;
    std::unique_ptr<KeyBlock> block;
  };

  // See DrainSlots.
  struct SlotDrain {
    SlotRanges slots;
    std::string target;
    std::function<void()> done;
  };

  // Of replies that nobody waits for.
  class Unheard : public ReplyReceiver {
   public:
    void OnReply(uint64_t, BatchId, const ReplyPiece&) override {}
    void OnBroken(uint64_t) override {}
  };

  // What the agent itself is to the engine.
  [[nodiscard]] Identity OwnIdentity() const;

  BatchId NewBatch() override;
  void OnOffset(BatchId batch, StreamOffset offset) override;
  void OnOffsetUnknown(BatchId batch) override;
  void OnBackendBroken(Backend* backend, const absl::Status& why) override;

  void Schedule();
  void EndTurn();
  void TakeCommit();
  void TakeKnown();
  void NoteKnown();
  void WakeOthers();
  void AskElsewhere();
  void CutAll();
  void TakeMode(FrontMode mode, std::shared_ptr<Reign> reign);
  void CheckDrained();
  void TakeDrain(SlotDrain drain);
  void EndBlockedCalls();
  void ForgetVainDrain();
  void CheckSlotsDrained();
  void ResumeWaiting();
  void ResumeThoseAwaitingCommit();
  void Tick();
  void Count();
  Session* Find(uint64_t id);

  const FrontOptions& options_;
  const FrontCrew* const crew_;
  const size_t index_;
  std::atomic<size_t>* const clients_;
  std::atomic<uint64_t>* const next_client_id_;
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  asio::steady_timer ticker_;
  std::atomic<bool> commit_posted_{false};
  std::atomic<bool> known_posted_{false};
  FrontCounters counters_;
  MonoMicros counted_us_ = 0;

  SessionLimits limits_;
  FrontEngine engine_;
  std::string own_user_;
  std::shared_ptr<const EngineSetup> setup_;
  std::unique_ptr<BackendPool> pool_;
  std::shared_ptr<Reign> reign_;
  std::shared_ptr<const FrontFacts> facts_;
  FrontMode mode_ = FrontMode::kClosed;
  StreamOffset committed_;
  std::optional<MonoMicros> log_lost_us_;  // When the log ceased to answer; nullopt: it does.

  absl::flat_hash_map<uint64_t, std::unique_ptr<Session>> sessions_;
  std::vector<std::unique_ptr<Session>> finished_;
  WaitIndex waits_;
  absl::flat_hash_map<BatchId, std::vector<uint64_t>> batch_waiters_;
  std::vector<std::pair<BatchId, uint64_t>> through_waiters_;
  std::vector<Unblocking> unblocking_;
  Unheard unheard_;
  std::vector<BatchId> unknown_;                                   // To be asked for elsewhere.
  absl::flat_hash_map<BatchId, std::vector<BatchId>> covered_by_;  // By whose offset.
  std::vector<uint64_t> touched_;
  std::vector<uint64_t> resume_;
  std::vector<uint64_t> await_mode_;
  absl::flat_hash_set<uint64_t> await_commit_;
  std::function<void()> drained_;
  std::optional<SlotDrain> slot_drain_;
  bool opening_own_ = false;
  bool look_for_known_ = false;  // There are new through_waiters_.
  bool turn_ends_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace cairn::adapter::redis
