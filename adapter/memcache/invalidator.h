// Invalidator: keeps the pools of other clusters free of what has changed in memcached caches here:
// tails their logs, and deletes at the targets each key that they change.
//
//   log ──Tailer──► ChangeReader ──► InvalidationLane ×targets ──► InvalidationTarget
//                                           └─ positions ─► state directory, each second
//
// Delete-only and at least once: whatever is repeated, or comes late, costs a miss and never shows
// an old value. Every target is told of every key: which member of a pool has it is its clients'
// matter. A target without a position begins at the log's end.
//
// Targets do not wait for each other: a log is read once, at its own pace, and each lane holds what
// its target was not told, within its bound (invalidation_lane.h says what comes then).
//
// Threads: Run makes its caller the engine thread; RequestStop and Status from any. Lifetime: Run
// once. Bounds: lanes × max_bytes, and a Tailer's buffer for each log.
// Errors of Run: kFailedPrecondition: a log is of a newer agent, or of none of memcached;
// kDataLoss: it is damaged; those of the state directory.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "adapter/background.h"
#include "adapter/denial_note.h"
#include "adapter/memcache/invalidation_lane.h"
#include "adapter/memcache/invalidation_positions.h"
#include "adapter/memcache/invalidation_target.h"
#include "adapter/memcache/invalidator_status.h"
#include "cairn/client.h"
#include "cairn/log.h"
#include "cairn/tailer.h"

namespace cairn::adapter::memcache {

struct InvalidatorOptions {
  ClientOptions cluster;
  std::vector<std::string> logs;
  std::vector<std::string> targets;  // "host:port"
  std::string directory;             // Exists, and is this process's alone.
  std::string marker_prefix;
  InvalidationLane::Options lane;
};

class Invalidator {
 public:
  explicit Invalidator(InvalidatorOptions options);
  ~Invalidator();
  Invalidator(const Invalidator&) = delete;
  Invalidator& operator=(const Invalidator&) = delete;

  // Until it was asked to stop (OK), or cannot go on.
  absl::Status Run();
  void RequestStop();
  [[nodiscard]] InvalidatorStatus Status() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // One log, and a lane for each target.
  struct Source {
    std::unique_ptr<Log> log;
    std::vector<std::unique_ptr<InvalidationLane>> lanes;
    std::shared_ptr<Tailer> tailer;
    Seq read_seq;
    bool connected = false;
  };

  absl::Status Prepare();
  absl::Status OpenSource(const std::string& name, const InvalidationPositions& stored);
  absl::Status MakeTargets();
  asio::awaitable<void> Watch();
  asio::awaitable<void> Follow(Source* source);
  asio::awaitable<absl::Status> Tail(Source* source);
  asio::awaitable<absl::Status> SkipTrimmed(Source* source);
  absl::Status Take(Source* source, ChangeReader* reader, const TailEvent& event);
  asio::awaitable<void> KeepPositions();
  asio::awaitable<absl::Status> Save();
  asio::awaitable<void> StopAll();
  [[nodiscard]] Seq OldestPosition(const Source& source) const;
  [[nodiscard]] InvalidationPositions Positions() const;
  void RefreshStatus();
  void Fail(const absl::Status& why);

  const InvalidatorOptions options_;
  asio::io_context io_{1};
  Background background_;
  DenialNote denial_;  // Of the client thread.
  std::unique_ptr<Client> client_;
  std::vector<std::unique_ptr<Source>> sources_;
  std::vector<std::unique_ptr<InvalidationTarget>> targets_;
  InvalidationPositions loaded_;  // What was on the disk.
  InvalidationPositions saved_;
  size_t running_ = 0;  // Coroutines of this.
  bool stopping_ = false;
  absl::Status status_;
  WakeUp stopped_;

  mutable absl::Mutex mutex_;
  InvalidatorStatus told_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace cairn::adapter::memcache
