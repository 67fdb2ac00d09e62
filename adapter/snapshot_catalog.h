// SnapshotCatalog: which snapshots of a log a store holds, which one to load, and which may go.
//
// What exists is asked of the store each time; nothing is kept. Choosing and planning are pure
// functions over a listing, so that no rule hides behind the network.
//
// What may never go: the snapshot that the log knows as registered and all that are newer (one of
// them may be being registered right now), and the newest `keep_newest`. Objects without a manifest
// are an upload under way or one whose process died; they may go when the youngest of them is older
// than `orphan_age_us`, which must therefore be longer than the upload of any one object.
//
// Threads: the free functions are pure; FindSnapshot and RemoveSnapshots block on the store.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/snapshot_manifest.h"
#include "base/clock.h"
#include "base/ids.h"
#include "storage/objects/object_store.h"

namespace cairn::adapter {

// The objects of one snapshot, or of what may become one.
struct ListedSnapshot {
  SnapshotName name;
  bool has_manifest = false;
  WallMicros manifest_us = 0;  // When the manifest was stored; it was last.
  WallMicros youngest_us = 0;  // Of all its objects.
  std::vector<std::string> data_keys;
};

// From a listing below SnapshotsOfLog, by seq, the newest first.
std::vector<ListedSnapshot> GroupBySnapshot(const std::vector<objects::StoredObject>& listing);

struct SnapshotQuery {
  std::string log_name;
  GroupId log_id;
  Seq max_seq{UINT64_MAX};
  EngineVersion reader;  // The engine that is to load it.
  // Also of logs that had the name under other ids: of one that was made again from a backup, or
  // recovered, the chain tells whether they are of its history.
  bool any_id = false;
};

struct FoundSnapshot {
  SnapshotName name;
  SnapshotManifest manifest;
  // Newer ones that were passed over, with the reason of each.
  std::vector<std::string> passed_over;
};

// The newest snapshot that the query allows.
// Errors: NOT_FOUND when there is none, with the reasons; those of the store.
absl::StatusOr<FoundSnapshot> FindSnapshot(objects::ObjectStore& store, const SnapshotQuery& query);

struct RetentionPolicy {
  uint64_t keep_newest = 2;  // At least 1.
  int64_t keep_younger_us = 0;
  int64_t orphan_age_us = int64_t{86'400} * kMicrosPerSecond;
};

// Oldest first.
struct RemovalPlan {
  std::vector<ListedSnapshot> expired;
  std::vector<ListedSnapshot> orphans;
};

// `registered`: the seq of the snapshot that the log has registered; 0: none, and then nothing but
// orphans goes.
RemovalPlan PlanRemoval(const std::vector<ListedSnapshot>& snapshots, const RetentionPolicy& policy,
                        Seq registered, WallMicros now_us);

// The manifest first, so that at no moment a snapshot exists whose data does not.
absl::Status RemoveSnapshot(objects::ObjectStore& store, const ListedSnapshot& snapshot);

}  // namespace cairn::adapter
