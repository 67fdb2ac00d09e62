// LogReplay: brings an engine to the state of its log as of one record: a dump that is not behind
// it, then the records up to it.
//
//   SnapshotSource ──dump──► StreamFeeder ──► engine, which acknowledges ──► Reached
//   log ──records through the bound──►┘
//
// The engine follows when this is done, and holds exactly Reached::seq. That may be less than was
// asked for: a unit that is larger than a record counts only as a whole.
//
// Threads: the engine thread. Lifetime: Stop(), and await it, before it is destroyed.
// Errors: those of snapshot, log and engine; kUnavailable when the engine loses what it was given.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/background.h"
#include "adapter/redis/engine_link.h"
#include "adapter/redis/stream_feeder.h"
#include "cairn/log.h"

namespace cairn::adapter::redis {

class LogReplay : private StreamFeederOwner {
 public:
  struct Options {
    EngineVersion engine;
    std::string sink_password;
    SnapshotSource snapshots;
    // Told the seq that the engine has acknowledged.
    std::function<void(Seq applied)> on_applied;
  };
  struct Reached {
    Seq seq;
    Seq loaded_seq;  // Of the dump; 0: the engine began empty.
    // What the records behind the dump tell.
    FeedProgress progress;
  };
  LogReplay(asio::any_io_executor executor, Background* background, const Log& log,
            Options options);
  ~LogReplay() override;
  LogReplay(const LogReplay&) = delete;
  LogReplay& operator=(const LogReplay&) = delete;

  // `link`: of an engine that holds nothing of value. Once.
  asio::awaitable<absl::StatusOr<Reached>> Run(EngineLink* link, Seq through);
  // Further, behind a Run.
  asio::awaitable<absl::StatusOr<Reached>> Extend(Seq through);
  // The engine is fed no more.
  asio::awaitable<void> Stop();
  // A Run under way ends with kCancelled.
  void Cancel();

 private:
  asio::awaitable<absl::StatusOr<SinkFull>> Begin(EngineVersion reader);
  void Fail(const absl::Status& why);

  void OnResynced(Seq seq, StreamOffset offset) override;
  void OnFed(const EngineFedEvent& fed) override;
  void OnMemoryLost() override;
  void OnFeedFailed(const absl::Status& why) override;

  const Options options_;
  StreamFeeder feeder_;
  EngineLink* link_ = nullptr;
  int dumps_ = 0;  // Given to the engine.
  bool resynced_ = false;
  Seq loaded_seq_;
  Seq acked_seq_;
  absl::Status status_;
  absl::Status feed_status_;  // Of the records behind the dump.
  WakeUp moved_;
};

}  // namespace cairn::adapter::redis
