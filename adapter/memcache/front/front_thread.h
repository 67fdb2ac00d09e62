// FrontThread: one io thread of the front: its clients, its connection to the engine and its
// connection to the primary.
//
//   a turn of the loop: sockets that have something → sessions → engine, writer, primary
//   its end (EndTurn):  each of the three is flushed once, then every client that was touched
//
// When the primary changes, the connection to the old one stays until it has answered what it was
// asked, or has had kRetiredPatience for it: only it knows what became of that.
//
// At its end it takes nobody in any more, and gives replies that are due, and agents that forward
// to it, kLeavePatience.
//
// Threads: everything runs on the thread's own io_context; the methods marked so may be called from
// any thread and only post. Lifetime: BeginStop() and Join() before destruction.
#pragma once

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "adapter/memcache/engine_connection.h"
#include "adapter/memcache/front/front_counters.h"
#include "adapter/memcache/front/front_facts.h"
#include "adapter/memcache/front/session.h"
#include "base/tls_context.h"

namespace cairn::adapter::memcache {

// The front's way to the writer. Any thread.
struct WriterPort {
  std::function<void(std::vector<WriteRequest>)> submit;
  std::function<size_t()> pending_bytes;
};

struct FrontThreadOptions {
  size_t max_clients = 10'000;
  // So long a request may wait for somebody to serve it.
  int64_t hold_timeout_us = 10 * kMicrosPerSecond;
  // Above that, nothing more is given to the writer.
  size_t max_pending_bytes = size_t{64} << 20;
  WriterPort writer;
  std::function<std::string()> agent_stats;  // Any thread; see agent_stats.h.
  // With it, other agents' doors are for TLS only: what this one shows them, and who has signed
  // theirs. Empty: they are asked in clear.
  TlsFiles peer_tls;
};

// For one connection to another agent, of the files as they are now; null without any.
// Errors: those of ReadTlsFiles.
absl::StatusOr<TlsContext> PeerContext(const TlsFiles& files);

class FrontThread : public SessionHost {
 public:
  FrontThread(const FrontThreadOptions* options, size_t index, std::atomic<size_t>* clients);
  ~FrontThread() override;
  FrontThread(const FrontThread&) = delete;
  FrontThread& operator=(const FrontThread&) = delete;

  // On this thread.
  void Adopt(asio::ip::tcp::socket socket, const ClientTls& tls);

  // Any thread.
  asio::io_context& io() { return io_; }
  void SetFacts(std::shared_ptr<const FrontFacts> facts);
  void Deliver(std::vector<WriteReply> replies);
  void AddTo(FrontStats* stats) const;
  void BeginStop();
  void Join();

 private:
  // A connection that is made again when it ends.
  struct Peer {
    std::string target;  // Where to; empty: nowhere.
    uint64_t life = 0;   // Of the engine.
    std::unique_ptr<EngineConnection> connection;
    bool connecting = false;
    bool ready = false;
    bool lamented = false;    // The log knows that the target cannot be reached.
    MonoMicros again_us = 0;  // Not before is it tried again.
  };

  const FrontFacts& facts() const override { return *facts_; }
  FrontCounters& counters() override { return counters_; }
  size_t thread_index() const override { return index_; }
  MonoMicros now_us() const override { return SystemClock().Mono(); }
  std::string AgentStats() const override { return options_.agent_stats(); }
  EngineConnection* engine() override { return Ready(&engine_); }
  EngineConnection* primary() override { return Ready(&primary_); }
  uint64_t primary_number() const override { return primary_number_; }
  void Submit(WriteRequest request) override;
  bool WriterFull() const override;
  void Touch(Session* session) override;
  void AwaitChange(Session* session) override { awaiting_.insert(session->id()); }

  // A primary of before that still owes replies.
  struct Retired {
    std::unique_ptr<EngineConnection> connection;
    MonoMicros since_us;
  };

  static EngineConnection* Ready(Peer* peer);
  void AimAtEngine(std::string target, uint64_t life);
  void AimAtPrimary(std::string target);
  void EndRetired(MonoMicros late_us);
  void JoinPeer(Peer* peer);
  asio::awaitable<void> Connect(Peer* peer, std::unique_ptr<EngineConnection> connection);
  asio::awaitable<absl::Status> Reach(Peer* peer, EngineConnection* connection);
  void Lament(Peer* peer, const absl::Status& status);
  void OnFacts(std::shared_ptr<const FrontFacts> facts);
  void Schedule();
  void EndTurn();
  void ResumeAwaiting();
  void Tick();
  void Leave();
  void End();

  const FrontThreadOptions& options_;
  const size_t index_;
  std::atomic<size_t>* const clients_;
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  asio::steady_timer ticker_;
  FrontCounters counters_;
  std::shared_ptr<const FrontFacts> facts_;
  Peer engine_;
  Peer primary_;
  uint64_t primary_number_ = 0;  // Of primary_.connection.
  std::vector<Retired> retired_;
  absl::flat_hash_map<uint64_t, std::unique_ptr<Session>> sessions_;
  uint64_t next_session_ = 1;
  std::vector<uint64_t> touched_;
  absl::flat_hash_set<uint64_t> awaiting_;
  std::vector<WriteRequest> submitted_;
  bool turn_ends_ = false;
  MonoMicros leave_by_us_ = 0;  // Not 0: it leaves.
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace cairn::adapter::memcache
