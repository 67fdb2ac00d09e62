// SnapshotManifest: what one snapshot of a cache is: as of which record of which log, made by which
// engine, and in which objects it lies. The last object of a snapshot that is stored: only with its
// manifest a snapshot exists. docs/snapshots.md shows one.
//
// JSON, since operators read it with what they have; with a format number, which any change of
// meaning raises. The reader is strict: a newer format, a field that is missing, unknown, there
// twice or out of its range is an error that names it. Numbers are whole, chains and checksums are
// hex strings.
//
// Names: <log>/<log id>/<seq, 20 digits>-<random, 16 hex digits>/manifest.json, so that a listing
// sorts the snapshots of a log by seq, and two of the same seq do not meet. `/` of a log's name
// becomes `=`. Two clusters must not share a prefix of a store.
//
// Threads: pure. Bounds: kMaxManifestBytes, kMaxSnapshotObjects.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/ids.h"

namespace cairn::adapter {

inline constexpr uint64_t kManifestFormat = 1;
inline constexpr size_t kMaxManifestBytes = size_t{1} << 20;
inline constexpr size_t kMaxSnapshotObjects = 4'096;
inline constexpr std::string_view kManifestFile = "manifest.json";

enum class Compression { kNone, kZstd };

// One data object beside the manifest. Checksums are of the bytes as they are stored, so that
// `sha256sum` on the object checks it.
struct SnapshotObject {
  std::string name;  // Within the snapshot, e.g. "dump.rdb.zst": a key without slashes.
  uint64_t bytes = 0;
  uint64_t content_bytes = 0;  // Before compression.
  Compression compression = Compression::kNone;
  uint64_t xxh3 = 0;   // XXH3-64.
  std::string sha256;  // 64 lower hex digits.

  bool operator==(const SnapshotObject&) const = default;
};

struct EngineVersion {
  std::string name;     // "redis", "valkey", …
  std::string version;  // As the engine tells it: "7.0.15".

  bool operator==(const EngineVersion&) const = default;
};

struct SnapshotDatabase {
  uint64_t number = 0;
  uint64_t keys = 0;

  bool operator==(const SnapshotDatabase&) const = default;
};

struct SnapshotManifest {
  std::string log_name;
  GroupId log_id;
  // State as of this record, and the log's chain there.
  Seq seq;
  uint64_t chain = 0;
  Epoch epoch;  // In force at that record; 0: none.
  EngineVersion engine;
  // The engine's replication position as of `seq`; "" and 0 for engines that have none.
  std::string replid;
  uint64_t offset = 0;
  std::vector<SnapshotDatabase> databases;  // By number.
  std::vector<SnapshotObject> objects;
  WallMicros created_us = 0;  // By the creator's clock.
  std::string created_by;     // Host and program, for people.

  bool operator==(const SnapshotManifest&) const = default;
};

// Requires: what ParseManifest would take.
std::string FormatManifest(const SnapshotManifest& manifest);

// Errors: FAILED_PRECONDITION for a newer format, DATA_LOSS for whatever else is wrong.
absl::StatusOr<SnapshotManifest> ParseManifest(std::string_view text);

// The folder of one snapshot.
struct SnapshotName {
  std::string folder;  // <log>/<log id>/<seq>-<random>, without a slash at its end.
  Seq seq;

  [[nodiscard]] std::string Key(std::string_view object) const;
  [[nodiscard]] std::string ManifestKey() const { return Key(kManifestFile); }
  bool operator==(const SnapshotName&) const = default;
};

// What all snapshots of logs of that name begin with, whatever their ids; a slash at its end.
std::string SnapshotsOfName(std::string_view log_name);
// What all snapshots of a log begin with; a slash at its end.
std::string SnapshotsOfLog(std::string_view log_name, GroupId log_id);
// A new one; `random` is what distinguishes it.
SnapshotName NewSnapshotName(std::string_view log_name, GroupId log_id, Seq seq, uint64_t random);
// The snapshot that an object of this key belongs to; nullopt when it belongs to none.
std::optional<SnapshotName> SnapshotOfKey(std::string_view key);

// Whether `reader` can load what `writer` saved: the same engine, not an older version.
bool CanLoad(const EngineVersion& reader, const EngineVersion& writer);

}  // namespace cairn::adapter
