// FetchSnapshot: the newest snapshot of a log from its store, as a file, for whoever begins anew:
// a replica's engine, the next snapshot, a restore.
//
//   objects::ObjectStore ──FindSnapshot, DownloadObject──► file ──► engine
//   Log ──Describe, Read──► the chain there is the manifest's
//
// What is handed out continues: the log still has the record behind it, or none is wanted. And it
// is of this history: the log's chain as of the manifest's seq is the manifest's. The log tells it
// of the snapshot that is registered, and of a record that is kept if it ends a group commit, which
// a snapshot's does. Of one that is wanted for itself, with its record long trimmed, it tells
// nothing.
//
// Threads: blocks; from any thread. Bounds: the disk. A file that is not handed out is removed.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/snapshot_catalog.h"
#include "adapter/snapshot_manifest.h"
#include "base/ids.h"
#include "cairn/log.h"
#include "storage/objects/object_store.h"

namespace cairn::adapter {

// Under which the log knows the newest snapshot; the trim guard of a cache's log names it.
inline constexpr std::string_view kSnapshotName = "cairn-agent";
// Under which it knows the snapshot with which a cache began that was adopted with data.
inline constexpr std::string_view kAdoptedName = "cairn-agent-adopted";
// The object of a snapshot that holds an engine's dump.
inline constexpr std::string_view kDumpObject = "dump.rdb.zst";

struct SnapshotChoice {
  EngineVersion reader;  // Who is to load it.
  Seq max_seq{UINT64_MAX};
};

struct FetchOptions {
  EngineVersion reader;  // The engine that is to load it.
  Seq max_seq{UINT64_MAX};
  std::string path;  // Where the dump is put; not there yet.
  // Told the bytes of content that have come, and how many there are.
  std::function<void(uint64_t bytes, uint64_t of)> progress;
};

struct FetchedSnapshot {
  SnapshotName name;
  SnapshotManifest manifest;
  std::string path;
};

// The newest snapshot that continues the log, not fetched yet.
// Nullopt: the log has every record since its first, began with nothing, and the store has no
// snapshot that serves; an engine begins empty. `store` may be null: there is none.
// Errors: kFailedPrecondition when records are trimmed, or data were adopted, that no snapshot
// covers, saying what the
// operator can do; kDataLoss when snapshot and log are not of one history; those of store and log.
absl::StatusOr<std::optional<FoundSnapshot>> ChooseSnapshot(objects::ObjectStore* store, Log log,
                                                            const SnapshotChoice& choice);

// The same, with its dump in a file.
absl::StatusOr<std::optional<FetchedSnapshot>> FetchSnapshot(objects::ObjectStore* store, Log log,
                                                             const FetchOptions& options);

// Whether the log's chain as of `seq` is `chain`.
// Errors: kDataLoss: it is another; kFailedPrecondition: the log does not tell it.
absl::Status CheckChain(Log log, const LogDescription& log_now, Seq seq, uint64_t chain);

// Linearizable, and patient.
absl::StatusOr<LogDescription> DescribeNow(Log log, bool with_segments = false);

}  // namespace cairn::adapter
