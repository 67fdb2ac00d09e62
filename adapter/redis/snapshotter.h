// Snapshotter: takes one snapshot of a cache, off the machines that serve it.
//
//   newest snapshot + log to its end ──► throw-away engine ──SAVE──► dump
//   dump ──► a second engine, which must then hold the same (the rehearsal)
//   dump ──► store, manifest last ──► registered with the log ──► old records and snapshots go
//
// A snapshot exists only when its rehearsal has succeeded; it is registered with the chain of the
// log at its seq, which the log compares with its own; and records go only as far as a registered
// snapshot covers them. Whatever is interrupted leaves nothing but objects without a manifest,
// which a later run removes.
//
// Threads: the engine thread. Lifetime: one Run at a time; it must have returned before this is
// destroyed. Bounds: two engines, but one after the other; the disk holds one dump.
// Errors: those of log, store and engine; kDataLoss when the rehearsal or a chain differs.
#pragma once

#include <asio/awaitable.hpp>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/redis/replayed_engine.h"
#include "adapter/snapshot_maker.h"
#include "cairn/client.h"
#include "cairn/log.h"

namespace cairn::adapter::redis {

class Snapshotter : public SnapshotMaker {
 public:
  // `client`, the host's parts and the clock outlive this.
  Snapshotter(ReplayHost host, Client* client, Log log, SnapshotMakerOptions options,
              const Clock* clock);

  asio::awaitable<absl::StatusOr<SnapshotResult>> Run() override;
  void Cancel() override;

 private:
  struct Dump {
    std::string path;
    KeyspaceDigest keyspace;
  };

  asio::awaitable<absl::StatusOr<SnapshotResult>> Take(ReplayedEngine* replayed,
                                                       ScratchEngine* engine);
  asio::awaitable<absl::StatusOr<ReplayedEngine::State>> ReplayToEnd(ReplayedEngine* engine,
                                                                     LogDescription* log_now);
  asio::awaitable<absl::StatusOr<Dump>> SaveDump(ScratchEngine* engine);
  asio::awaitable<absl::Status> RehearseDump(Dump dump, Seq seq);
  [[nodiscard]] std::string NextDirectory();
  asio::awaitable<absl::Status> Publish(std::string path, SnapshotResult* result);
  asio::awaitable<absl::Status> Settle(SnapshotResult* result);
  [[nodiscard]] SnapshotManifest MakeManifest(const ReplayedEngine::State& state,
                                              const LogDescription& log_now,
                                              const EngineVersion& version,
                                              const KeyspaceDigest& keyspace) const;

  const ReplayHost host_;
  Client* const client_;
  const Log log_;
  const SnapshotMakerOptions options_;
  const Clock* const clock_;
  uint64_t engines_ = 0;  // Names directories.
  ReplayedEngine* running_ = nullptr;
  bool cancelled_ = false;
};

}  // namespace cairn::adapter::redis
