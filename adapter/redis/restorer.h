// Restorer: builds a cache as of one record of its log, as a file or in an empty engine.
//
//   newest snapshot before it + log ──► engine ──► digest
//                                         └─ SAVE ──► file ──► a second engine: the same digest?
//
// Threads: the engine thread. Lifetime: Run must have returned before this is destroyed.
// Bounds: two engines, one after the other; the disk holds one dump, or two while it crosses file
// systems. Errors: those of log, store and engine; kAlreadyExists for what would be overwritten;
// kDataLoss when the dump is not what was saved.
#pragma once

#include <asio/awaitable.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/redis/keyspace_digest.h"
#include "adapter/redis/replayed_engine.h"
#include "adapter/redis/wanted_position.h"
#include "cairn/log.h"

namespace cairn::adapter::redis {

struct RestoreOptions {
  std::string work_dir;  // Exists; absolute.
  WantedPosition at;
  std::string file;                 // Where the dump is put; or
  std::optional<EngineAddress> to;  // an empty engine.
  bool verify = true;               // The file, by a second engine.
};

struct RestoreResult {
  Seq asked_seq;
  Seq seq;  // Less, if a unit that is larger than a record is open at what was asked for.
  Seq loaded_seq;
  KeyspaceDigest keyspace;
  uint64_t file_bytes = 0;
  int64_t took_us = 0;
};

class Restorer {
 public:
  Restorer(ReplayHost host, Log log, RestoreOptions options, const Clock* clock);

  asio::awaitable<absl::StatusOr<RestoreResult>> Run();
  // A run under way ends soon, with an error. The caller stops the store.
  void Cancel();

 private:
  asio::awaitable<absl::StatusOr<RestoreResult>> Build(ReplayedEngine* replayed);
  asio::awaitable<absl::Status> KeepDump(std::string saved, RestoreResult* result);
  asio::awaitable<absl::Status> Verify(const RestoreResult* result);

  const ReplayHost host_;
  const Log log_;
  const RestoreOptions options_;
  const Clock* const clock_;
  std::unique_ptr<ScratchEngine> scratch_;  // Unless it is restored into somebody's engine.
  ReplayedEngine* running_ = nullptr;
  bool cancelled_ = false;
};

}  // namespace cairn::adapter::redis
