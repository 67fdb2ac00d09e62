// StoreDump: a dump on the disk becomes a snapshot in the store.
//
// Threads: block; from any thread. Errors: those of the store.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "adapter/progress_report.h"
#include "adapter/snapshot_manifest.h"
#include "storage/objects/object_store.h"

namespace cairn::adapter::redis {

// Puts the dump's line into `manifest`, which comes last: with it the snapshot exists.
absl::StatusOr<SnapshotName> StoreDump(objects::ObjectStore& store, ProgressReport* report,
                                       const std::string& path, SnapshotManifest* manifest);

}  // namespace cairn::adapter::redis
