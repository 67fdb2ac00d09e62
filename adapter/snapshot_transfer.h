// UploadObject and DownloadObject: the data of a snapshot on its way to a store and back, with
// compression and checksums.
//
// Compression is zstd at level 1 unless the caller has none of it: an RDB that Redis wrote with its
// own LZF, which sees one value at a time, still shrank to a quarter (13.9 MB to 3.3 MB for
// sessions as JSON, small hashes and counters; level 3 was no smaller and took twice the time).
// What does not shrink costs a few per cent of time and no space.
//
// The contract of a download: whoever takes the content learns of damage before its end. The last
// kHeldBackBytes of what is stored, and so the end of the compressed frame, are held back until
// size and both checksums have proved right; content after which nothing is missing is therefore
// whole. A sink that acts on parts (an engine that loads as it reads) must throw away what it has
// when the call returns an error.
//
// Errors: those of the store; DATA_LOSS that names the object, what was expected and what came.
//
// Threads: one per call. Bounds: kHeldBackBytes and zstd's window (below 16 MiB).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/snapshot_manifest.h"
#include "storage/objects/object_store.h"

namespace cairn::adapter {

inline constexpr size_t kHeldBackBytes = size_t{64} << 10;

// Stores what `source` hands out as object `object_name` of the snapshot; returns its line of the
// manifest.
absl::StatusOr<SnapshotObject> UploadObject(objects::ObjectStore& store,
                                            const SnapshotName& snapshot,
                                            std::string_view object_name, Compression compression,
                                            objects::ObjectStore::Source source);

// Hands the object's content to `sink`.
absl::Status DownloadObject(objects::ObjectStore& store, const SnapshotName& snapshot,
                            const SnapshotObject& object, objects::ObjectStore::Sink sink);

// Stores the manifest: from now on the snapshot exists. Requires: its objects are stored.
// FAILED_PRECONDITION when the store has not all of them in their size.
absl::Status PublishSnapshot(objects::ObjectStore& store, const SnapshotName& snapshot,
                             const SnapshotManifest& manifest);

}  // namespace cairn::adapter
