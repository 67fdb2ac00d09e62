// Adoption: the memory of a running engine becomes the first snapshot of a log without data.
//
//   engine ──PSYNC──► dump ──► file ──► a throw-away engine loads it ──► store ──► registered
//          └ its place right behind the dump: where the log's records begin
//
// The snapshot is as of the grant of `epoch`, which must be the log's last record: behind it come
// the effects that the engine has had since the dump, by whoever publishes them. Nobody is served
// before. The log remembers under kAdoptedName that it does not begin with nothing, so that no
// engine begins empty there.
//
// What is published under an epoch is final: after an error behind that, one begins again under a
// new epoch, whose snapshot is the newer one (published()).
//
// Threads: the engine thread. Lifetime: Run must have returned before this is destroyed.
// Bounds: the disk holds one dump; one engine beside the adopted one, which forks for the dump.
// Errors: those of engine, store and log; kFailedPrecondition when the log has moved on.
#pragma once

#include <asio/awaitable.hpp>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/redis/keyspace_digest.h"
#include "adapter/redis/replayed_engine.h"
#include "adapter/role_events.h"
#include "cairn/client.h"
#include "cairn/log.h"

namespace cairn::adapter::redis {

class Adoption {
 public:
  struct Options {
    std::string directory;  // Exists; absolute, and this process's alone.
    std::string created_by;
  };
  struct Adopted {
    StreamPlace place;  // The snapshot is the memory as of there.
    KeyspaceDigest keyspace;
    std::string location;
  };
  Adoption(ReplayHost host, Client* client, Log log, Options options, const Clock* clock);

  // Once.
  asio::awaitable<absl::StatusOr<Adopted>> Run(EngineAddress from, EngineVersion version,
                                               Epoch epoch);
  // A snapshot as of the epoch may be there, whatever Run returned.
  [[nodiscard]] bool published() const { return published_; }
  void Cancel();

 private:
  asio::awaitable<absl::StatusOr<StreamPlace>> TakeDump(EngineAddress from);
  asio::awaitable<absl::StatusOr<KeyspaceDigest>> LoadDump(Seq seq);
  asio::awaitable<absl::Status> Publish(SnapshotManifest manifest, std::string* location);

  const ReplayHost host_;
  Client* const client_;
  const Log log_;
  const Options options_;
  const Clock* const clock_;
  const std::string dump_;
  ReplayedEngine* running_ = nullptr;
  bool published_ = false;
  bool cancelled_ = false;
};

}  // namespace cairn::adapter::redis
