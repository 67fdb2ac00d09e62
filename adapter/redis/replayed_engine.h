// ReplayedEngine: an engine that holds a cache as of one record of its log. What a snapshot is
// taken of, what is restored, and (from a dump alone) a rehearsal.
//
//   WorkEngine ◄── LogReplay ◄── SnapshotFeed ◄── store
//                         ▲──────── log
//
// Threads: the engine thread. Lifetime: Stop(), and await it, before it is destroyed. The store,
// the report and the Background outlive it. Bounds: memory and disk of one engine and one dump.
#pragma once

#include <asio/awaitable.hpp>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/redis/keyspace_digest.h"
#include "adapter/redis/log_replay.h"
#include "adapter/redis/scratch_engine.h"
#include "adapter/redis/snapshot_feed.h"
#include "adapter/redis/work_engine.h"
#include "adapter/replay_host.h"
#include "cairn/log.h"

namespace cairn::adapter::redis {

// A throw-away engine by the host's command, in this directory.
ScratchEngine::Options ScratchOptions(const ReplayHost& host, std::string directory);

class ReplayedEngine {
 public:
  // Where the engine stands.
  struct State {
    Seq seq;
    Seq loaded_seq;         // Of the snapshot that was loaded; 0: none.
    Epoch epoch;            // In force at `seq`; 0: none.
    StreamPosition stream;  // The primary's stream there.
  };
  // `directory` is made by this, and removed by Stop(). The engine outlives this.
  ReplayedEngine(const ReplayHost& host, const Log& log, std::string directory, WorkEngine* engine);
  ReplayedEngine(const ReplayedEngine&) = delete;
  ReplayedEngine& operator=(const ReplayedEngine&) = delete;

  // The log as of `through`, or of the last whole unit before. Once.
  asio::awaitable<absl::StatusOr<State>> Begin(Seq through);
  // From this dump, which equals the log through `seq`, instead of a snapshot of the store. Once.
  asio::awaitable<absl::Status> BeginWithDump(std::string path, Seq seq);
  // Further, behind Begin.
  asio::awaitable<absl::StatusOr<State>> Extend(Seq through);

  asio::awaitable<void> Stop();
  // At once: whatever is under way fails.
  void Cancel();
  [[nodiscard]] EngineLink* link() { return engine_->link(); }

  // What was loaded; nullptr: no snapshot of the store.
  [[nodiscard]] const FetchedSnapshot* loaded() const { return feed_->loaded(); }

 private:
  asio::awaitable<absl::StatusOr<LogReplay::Reached>> Replay(SnapshotSource source, Seq through);
  [[nodiscard]] State StateAt(const LogReplay::Reached& reached) const;

  const ReplayHost host_;
  const Log log_;
  const std::string directory_;
  WorkEngine* const engine_;
  std::unique_ptr<SnapshotFeed> feed_;
  std::unique_ptr<LogReplay> replay_;
  bool cancelled_ = false;
};

// Whether an engine that begins with this dump, which equals the log through `seq`, holds
// `expected`. The caller stops `second`.
asio::awaitable<absl::Status> Rehearse(ReplayedEngine* second, std::string dump, Seq seq,
                                       KeyspaceDigest expected);

}  // namespace cairn::adapter::redis
