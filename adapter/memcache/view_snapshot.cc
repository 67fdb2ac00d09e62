#include "adapter/memcache/view_snapshot.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "adapter/memcache/view_import.h"
#include "adapter/memcache/view_scan.h"
#include "adapter/memcache/view_stream.h"
#include "adapter/snapshot_catalog.h"
#include "adapter/snapshot_transfer.h"
#include "base/status_macros.h"

namespace cairn::adapter::memcache {
namespace {

SnapshotManifest ManifestOf(const ViewSnapshotOptions& options, const ViewPosition& position) {
  SnapshotManifest manifest;
  manifest.log_name = options.log_name;
  manifest.log_id = options.log_id;
  manifest.seq = position.read.seq;
  manifest.chain = position.chain;
  manifest.epoch = position.read.epoch;
  manifest.engine = ViewEngine();
  manifest.replid = position.read.place.history;
  manifest.offset = position.read.place.offset.value();
  manifest.created_us = options.created_us;
  manifest.created_by = options.created_by;
  return manifest;
}

// Hands the object's content to the reader, to its end.
absl::Status ReadBack(objects::ObjectStore& store, const SnapshotName& name,
                      const SnapshotObject& object, const ViewProgress& progress,
                      ViewStreamReader* reader) {
  uint64_t bytes = 0;
  const auto take = [&](std::string_view content) {
    bytes += content.size();
    if (progress) progress(bytes, object.content_bytes);
    return reader->Write(content);
  };
  RETURN_IF_ERROR(DownloadObject(store, name, object, take));
  return reader->Finish();
}

// Reads the object as it will be read one day, but keeps nothing.
absl::Status Rehearse(objects::ObjectStore& store, const StoredView& stored,
                      const ViewProgress& progress) {
  ViewStreamReader reader(stored.manifest.log_id,
                          [](const EffectView&, EffectId) { return absl::OkStatus(); });
  const SnapshotObject& object = stored.manifest.objects.front();
  RETURN_IF_ERROR(ReadBack(store, stored.name, object, progress, &reader));
  if (reader.digest() == stored.digest) return absl::OkStatus();
  return absl::DataLossError(fmt::format("{}: the rehearsal expected {}, found {}", store.url(),
                                         stored.digest.ToText(), reader.digest().ToText()));
}

absl::Status CheckManifest(const SnapshotManifest& manifest) {
  if (!CanLoad(ViewEngine(), manifest.engine)) {
    return absl::FailedPreconditionError(
        fmt::format("a snapshot of {} {}; this agent reads {} up to {}", manifest.engine.name,
                    manifest.engine.version, ViewEngine().name, ViewEngine().version));
  }
  if (manifest.objects.size() == 1 && manifest.objects.front().name == kViewObject) {
    return absl::OkStatus();
  }
  return absl::DataLossError(
      fmt::format("a snapshot of {} objects; expected {}", manifest.objects.size(), kViewObject));
}

absl::Status CheckPosition(const ViewPosition& position, const SnapshotManifest& manifest) {
  if (position.read.seq == manifest.seq && position.chain == manifest.chain) {
    return absl::OkStatus();
  }
  return absl::DataLossError(
      fmt::format("the view is as of record {} with the chain {:016x}, its manifest says {} and "
                  "{:016x}",
                  position.read.seq, position.chain, manifest.seq, manifest.chain));
}

}  // namespace

EngineVersion ViewEngine() { return {.name = "memcache-view", .version = "1"}; }

absl::StatusOr<StoredView> StoreViewSnapshot(objects::ObjectStore& store, const View& view,
                                             const ViewSnapshotOptions& options) {
  ASSIGN_OR_RETURN(const std::unique_ptr<ViewScan> scan, ViewScan::Begin(view));
  const ViewPosition& position = scan->position();
  if (!position.read.seq || position.chain_seq != position.read.seq) {
    return absl::UnavailableError(
        fmt::format("the log's chain behind record {}, where the view stands, is not known yet: "
                    "try again",
                    position.read.seq));
  }
  StoredView stored;
  stored.name =
      NewSnapshotName(options.log_name, options.log_id, position.read.seq, options.random);
  stored.manifest = ManifestOf(options, position);
  ViewStreamWriter writer(options.log_id, scan.get());
  uint64_t bytes = 0;
  const auto read = [&](char* buffer, size_t capacity) {
    const absl::StatusOr<size_t> taken = writer.Read(buffer, capacity);
    bytes += taken.value_or(0);
    if (options.progress) options.progress(bytes, 0);
    return taken;
  };
  ASSIGN_OR_RETURN(SnapshotObject object,
                   UploadObject(store, stored.name, kViewObject, Compression::kZstd, read));
  stored.digest = writer.digest();
  stored.manifest.databases = {{.number = 0, .keys = stored.digest.items()}};
  stored.manifest.objects.push_back(std::move(object));
  RETURN_IF_ERROR(Rehearse(store, stored, options.progress));
  RETURN_IF_ERROR(PublishSnapshot(store, stored.name, stored.manifest));
  return stored;
}

absl::StatusOr<ItemsDigest> LoadViewSnapshot(objects::ObjectStore& store, const SnapshotName& name,
                                             const SnapshotManifest& manifest, View* view,
                                             const ViewProgress& progress) {
  RETURN_IF_ERROR(CheckManifest(manifest));
  ASSIGN_OR_RETURN(const std::unique_ptr<ViewImport> import, ViewImport::Begin(view));
  ViewStreamReader reader(manifest.log_id, [&](const EffectView& item, EffectId stored_by) {
    return import->Add(item, stored_by);
  });
  RETURN_IF_ERROR(ReadBack(store, name, manifest.objects.front(), progress, &reader));
  RETURN_IF_ERROR(CheckPosition(*reader.position(), manifest));
  RETURN_IF_ERROR(import->Finish(*reader.position()));
  return reader.digest();
}

}  // namespace cairn::adapter::memcache
