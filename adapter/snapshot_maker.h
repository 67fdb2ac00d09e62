// SnapshotMaker: what takes one snapshot of a cache, whichever engine it is of, and what comes
// behind that, alike for all: the log learns of it, lets records go, and old snapshots are removed.
//
//   SnapshotMaker::Run ─ state as of the log's end ─► store ─► SettleSnapshot ─► result
//
// Threads: Run and Cancel on the engine thread; SettleSnapshot blocks, on any. Lifetime: one Run at
// a time; it must have returned before the maker is destroyed.
#pragma once

#include <asio/awaitable.hpp>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/cache_kind.h"
#include "adapter/log_trim.h"
#include "adapter/snapshot_catalog.h"
#include "base/clock.h"
#include "cairn/client.h"
#include "cairn/log.h"

namespace cairn::adapter {

struct SnapshotMakerOptions {
  std::string work_dir;  // Exists; absolute.
  TrimPolicy trim;
  RetentionPolicy retention;
  std::string created_by;
  bool force = false;  // Even if nothing is new.
};

struct SnapshotResult {
  bool unchanged = false;  // Nothing was new since the snapshot as of `manifest.seq`.
  SnapshotManifest manifest;
  std::string location;
  Seq loaded_seq;  // Of the snapshot it began with; 0: the log's beginning.
  std::string digest;
  uint64_t stored_bytes = 0;
  Seq log_first_seq;  // Behind the trim.
  uint64_t removed_snapshots = 0;
  int64_t took_us = 0;
};

class SnapshotMaker {
 public:
  virtual ~SnapshotMaker() = default;
  virtual asio::awaitable<absl::StatusOr<SnapshotResult>> Run() = 0;
  // A run under way ends soon, with an error. The caller stops the store.
  virtual void Cancel() = 0;
};

// For people, and for Log::RegisterSnapshot.
std::string LocationOf(const objects::ObjectStore& store, const SnapshotName& name);

// The log learns of the snapshot and compares the chain. From then on it does not let go of a
// record that no snapshot of ours covers.
absl::Status RegisterStored(Client* client, Log log, const SnapshotManifest& manifest,
                            const std::string& location);

// Registers the result's snapshot, which may be an old one (the process that stored it may have
// died right then), trims the log and removes old snapshots, and fills in what came of it. Removal
// that fails is only told: what stays costs space; the snapshot is as good as any.
absl::Status SettleSnapshot(Client* client, Log log, objects::ObjectStore* store, CacheKind kind,
                            const SnapshotMakerOptions& options, WallMicros now_us,
                            SnapshotResult* result);

}  // namespace cairn::adapter
