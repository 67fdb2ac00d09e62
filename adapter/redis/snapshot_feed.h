// SnapshotFeed: what an engine begins anew with: the newest snapshot of its log, or nothing when
// the log has every record.
//
//   StreamFeeder ──Next──► FetchSnapshot (a thread of the Background) ──file──► SinkFull
//
// The file has no name any more when it is handed out: it vanishes with its reader, however that
// ends. What a process that was killed left behind is removed when the next one begins.
//
// An engine that asks again soon after it was given a snapshot has not taken it. It waits longer
// each time: a dump that it cannot load must not be fetched again and again.
//
// Threads: the engine thread (engine_socket.h). Lifetime: outlives all coroutines of Next, which
// objects::ObjectStore::Stop() ends soon. Bounds: the disk.
#pragma once

#include <asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/background.h"
#include "adapter/engine_socket.h"
#include "adapter/redis/repl_sink.h"
#include "adapter/redis/stream_mark.h"
#include "adapter/snapshot_fetch.h"
#include "cairn/log.h"

namespace cairn::adapter::redis {

// As the catalog of snapshots has it.
adapter::EngineVersion CatalogVersion(const EngineVersion& version);

class SnapshotFeed {
 public:
  struct Options {
    std::string directory;  // Exists, and is this process's alone.
    Seq max_seq{UINT64_MAX};
    // Told of a download and of the engine's loading; from any thread.
    std::function<void(uint64_t bytes, uint64_t of)> on_download;
    std::function<void(uint64_t bytes, uint64_t of)> on_load;
  };
  // `store` may be null.
  SnapshotFeed(Background* background, objects::ObjectStore* store, Log log, Options options);

  // As FetchSnapshot.
  asio::awaitable<absl::StatusOr<SinkFull>> Next(EngineVersion reader);
  // Ends the waits.
  void Stop() { stopped_ = true; }

  // What Next handed out last; nullptr: an empty memory.
  [[nodiscard]] const FetchedSnapshot* loaded() const { return loaded_ ? &*loaded_ : nullptr; }

 private:
  asio::awaitable<void> AwaitTurn();

  Background* const background_;
  objects::ObjectStore* const store_;
  const Log log_;
  const Options options_;
  uint64_t files_ = 0;
  std::optional<FetchedSnapshot> loaded_;
  std::chrono::steady_clock::time_point handed_out_;  // loaded_ was.
  Millis pause_{0};
  bool stopped_ = false;
};

}  // namespace cairn::adapter::redis
