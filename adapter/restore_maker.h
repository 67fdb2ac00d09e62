// RestoreMaker: what builds a cache as of one record of its log, whichever engine it is of.
//
// Threads: the engine thread. Lifetime: Run must have returned before it is destroyed.
#pragma once

#include <asio/awaitable.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/snapshot_manifest.h"
#include "base/ids.h"

namespace cairn::adapter {

struct RestoreResult {
  Seq asked_seq;
  Seq seq;         // Less, if a unit that is larger than a record is open at what was asked for.
  Seq loaded_seq;  // Of the snapshot it began with; 0: the log's beginning.
  std::vector<SnapshotDatabase> databases;
  std::string digest;
  std::string contents;  // Both, for people.
  uint64_t file_bytes = 0;
  int64_t took_us = 0;
};

class RestoreMaker {
 public:
  virtual ~RestoreMaker() = default;
  virtual asio::awaitable<absl::StatusOr<RestoreResult>> Run() = 0;
  // A run under way ends soon, with an error. The caller stops the store.
  virtual void Cancel() = 0;
};

// `path`, a file or a directory, is on the disk.
absl::Status SyncPath(const std::string& path);
// `from`, whole and synced, under the name `to`.
// Errors: kAlreadyExists: the name is taken; kUnavailable: the system's words.
absl::Status MoveSynced(const std::string& from, const std::string& to);

}  // namespace cairn::adapter
