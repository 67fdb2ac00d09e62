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
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/redis/keyspace_digest.h"
#include "adapter/redis/replayed_engine.h"
#include "adapter/restore_maker.h"
#include "adapter/wanted_position.h"
#include "cairn/log.h"

namespace cairn::adapter::redis {

struct RestoreOptions {
  std::string work_dir;  // Exists; absolute.
  WantedPosition at;
  std::string file;                 // Where the dump is put; or
  std::optional<EngineAddress> to;  // an empty engine.
  bool verify = true;               // The file, by a second engine.
};

class Restorer : public RestoreMaker {
 public:
  Restorer(ReplayHost host, Log log, RestoreOptions options, const Clock* clock);

  asio::awaitable<absl::StatusOr<RestoreResult>> Run() override;
  void Cancel() override;

 private:
  asio::awaitable<absl::StatusOr<RestoreResult>> Build(ReplayedEngine* replayed);
  asio::awaitable<absl::Status> KeepDump(std::string saved, RestoreResult* result);
  asio::awaitable<absl::Status> Verify(const RestoreResult* result);

  const ReplayHost host_;
  const Log log_;
  const RestoreOptions options_;
  const Clock* const clock_;
  std::unique_ptr<ScratchEngine> scratch_;  // Unless it is restored into somebody's engine.
  KeyspaceDigest keyspace_;                 // Of what was built.
  ReplayedEngine* running_ = nullptr;
  bool cancelled_ = false;
};

}  // namespace cairn::adapter::redis
