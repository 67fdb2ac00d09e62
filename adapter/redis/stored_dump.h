// StoreDump: a dump on the disk becomes a snapshot in the store, and what the log knows of it.
//
// Threads: block; from any thread. Errors: those of store and log.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/progress_report.h"
#include "adapter/snapshot_manifest.h"
#include "adapter/snapshot_store.h"
#include "cairn/client.h"
#include "cairn/log.h"

namespace cairn::adapter::redis {

// Puts the dump's line into `manifest`, which comes last: with it the snapshot exists.
absl::StatusOr<SnapshotName> StoreDump(SnapshotStore& store, ProgressReport* report,
                                       const std::string& path, SnapshotManifest* manifest);

// For people, and for Log::RegisterSnapshot.
std::string LocationOf(const SnapshotStore& store, const SnapshotName& name);

// The log learns of the snapshot and compares the chain. From then on it does not let go of a
// record that no snapshot of ours covers.
absl::Status RegisterStored(Client* client, Log log, const SnapshotManifest& manifest,
                            const std::string& location);

}  // namespace cairn::adapter::redis
