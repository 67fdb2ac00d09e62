// A view as a snapshot in a store: key-compacted, so that the log's records up to it may go.
//
//   View ──scan──► ViewStreamWriter ──zstd──► store ──read again: the rehearsal──► manifest
//   store ──► ViewStreamReader ──► ViewImport ──► View
//
// The object is `items.zst`; the manifest (adapter/snapshot_manifest.h) names the engine
// "memcache-view" with the stream's format as its version, the history and offset of the stream
// of effects, and database 0 with the number of items.
//
// A snapshot exists only when what the store holds was read back and came to the digest of what
// was written. It is not registered with the log here (Log::RegisterSnapshot).
//
// Threads: block; Load on the view's applying thread, Store on any. Bounds: those of view_stream.h
// and snapshot_transfer.h, nothing on the disk.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/memcache/items_digest.h"
#include "adapter/memcache/view.h"
#include "adapter/snapshot_manifest.h"
#include "base/clock.h"
#include "base/ids.h"
#include "storage/objects/object_store.h"

namespace cairn::adapter::memcache {

inline constexpr std::string_view kViewObject = "items.zst";

// What our agents write and read; for SnapshotQuery::reader.
EngineVersion ViewEngine();

// Told the bytes before compression that have passed, and how many there are; 0: not known.
using ViewProgress = std::function<void(uint64_t bytes, uint64_t of)>;

struct ViewSnapshotOptions {
  std::string log_name;
  GroupId log_id;
  std::string created_by;  // For people.
  WallMicros created_us = 0;
  uint64_t random = 0;    // Distinguishes it from others of the same seq.
  ViewProgress progress;  // Of storing, and then of reading back; may be null.
};

struct StoredView {
  SnapshotName name;
  SnapshotManifest manifest;
  ItemsDigest digest;
};

// Errors: kUnavailable: the view stands at no record behind which the chain is known: try again
// after its next message; kDataLoss: the rehearsal differs; those of store and view.
absl::StatusOr<StoredView> StoreViewSnapshot(objects::ObjectStore& store, const View& view,
                                             const ViewSnapshotOptions& options);

// Puts the snapshot into the view, in place of what it held. After an error the view is incomplete.
// Errors: kFailedPrecondition: of another log, engine or a newer format; kDataLoss: damaged;
// those of store and view.
absl::StatusOr<ItemsDigest> LoadViewSnapshot(objects::ObjectStore& store, const SnapshotName& name,
                                             const SnapshotManifest& manifest, View* view,
                                             const ViewProgress& progress = nullptr);

}  // namespace cairn::adapter::memcache
