#include "adapter/snapshot_catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"

namespace cairn::adapter {
namespace {

// "" when the snapshot serves the query, else why not.
std::string CheckUsable(const SnapshotName& name, const SnapshotManifest& manifest,
                        const SnapshotQuery& query) {
  const bool is_id = query.any_id || manifest.log_id == query.log_id;
  if (manifest.log_name != query.log_name || !is_id) {
    return fmt::format("is of log {} with id {}", manifest.log_name, manifest.log_id);
  }
  if (manifest.seq != name.seq) return fmt::format("says seq {}", manifest.seq);
  if (!CanLoad(query.reader, manifest.engine)) {
    return fmt::format("was saved by {} {}, which {} {} may not be able to read",
                       manifest.engine.name, manifest.engine.version, query.reader.name,
                       query.reader.version);
  }
  return "";
}

// Only what the manifest itself is at fault for lets the search go on.
bool IsOfManifest(const absl::Status& status) {
  return absl::IsDataLoss(status) || absl::IsFailedPrecondition(status) ||
         absl::IsResourceExhausted(status) || absl::IsNotFound(status);
}

absl::StatusOr<SnapshotManifest> ReadManifest(objects::ObjectStore& store,
                                              const SnapshotName& name) {
  ASSIGN_OR_RETURN(const std::string text,
                   objects::GetBytes(store, name.ManifestKey(), kMaxManifestBytes));
  return ParseManifest(text);
}

}  // namespace

std::vector<ListedSnapshot> GroupBySnapshot(const std::vector<objects::StoredObject>& listing) {
  std::map<std::string, ListedSnapshot, std::greater<>> by_folder;
  for (const objects::StoredObject& object : listing) {
    std::optional<SnapshotName> name = SnapshotOfKey(object.key);
    if (!name.has_value()) continue;
    ListedSnapshot& snapshot = by_folder[name->folder];
    if (object.key == name->ManifestKey()) {
      snapshot.has_manifest = true;
      snapshot.manifest_us = object.modified_us;
    } else {
      snapshot.data_keys.push_back(object.key);
    }
    snapshot.youngest_us = std::max(snapshot.youngest_us, object.modified_us);
    snapshot.name = *std::move(name);
  }
  std::vector<ListedSnapshot> snapshots;
  for (auto& [folder, snapshot] : by_folder) snapshots.push_back(std::move(snapshot));
  std::stable_sort(snapshots.begin(), snapshots.end(),
                   [](const auto& a, const auto& b) { return a.name.seq > b.name.seq; });
  return snapshots;
}

absl::StatusOr<FoundSnapshot> FindSnapshot(objects::ObjectStore& store,
                                           const SnapshotQuery& query) {
  const std::string prefix =
      query.any_id ? SnapshotsOfName(query.log_name) : SnapshotsOfLog(query.log_name, query.log_id);
  ASSIGN_OR_RETURN(const std::vector<objects::StoredObject> listing, store.List(prefix));
  FoundSnapshot found;
  for (const ListedSnapshot& listed : GroupBySnapshot(listing)) {
    if (!listed.has_manifest || listed.name.seq > query.max_seq) continue;
    absl::StatusOr<SnapshotManifest> manifest = ReadManifest(store, listed.name);
    if (!manifest.ok() && !IsOfManifest(manifest.status())) return manifest.status();
    const std::string wrong = manifest.ok() ? CheckUsable(listed.name, *manifest, query)
                                            : std::string(manifest.status().message());
    if (wrong.empty()) {
      found.name = listed.name;
      found.manifest = *std::move(manifest);
      return found;
    }
    found.passed_over.push_back(fmt::format("{}: {}", listed.name.folder, wrong));
  }
  return absl::NotFoundError(fmt::format(
      "no snapshot of log {} (id {}) up to seq {} for {} {} in {}{}{}", query.log_name,
      query.log_id, query.max_seq, query.reader.name, query.reader.version, store.url(),
      found.passed_over.empty() ? "" : "; passed over: ", fmt::join(found.passed_over, "; ")));
}

RemovalPlan PlanRemoval(const std::vector<ListedSnapshot>& snapshots, const RetentionPolicy& policy,
                        Seq registered, WallMicros now_us) {
  CHECK_GE(policy.keep_newest, 1u);
  RemovalPlan plan;
  uint64_t newer = 0;  // Whole snapshots before this one.
  for (const ListedSnapshot& snapshot : snapshots) {
    if (!snapshot.has_manifest) {
      if (now_us - snapshot.youngest_us > policy.orphan_age_us) plan.orphans.push_back(snapshot);
      continue;
    }
    const bool kept = newer < policy.keep_newest || snapshot.name.seq >= registered ||
                      !registered || now_us - snapshot.manifest_us <= policy.keep_younger_us;
    ++newer;
    if (!kept) plan.expired.push_back(snapshot);
  }
  std::reverse(plan.expired.begin(), plan.expired.end());
  std::reverse(plan.orphans.begin(), plan.orphans.end());
  return plan;
}

absl::Status RemoveSnapshot(objects::ObjectStore& store, const ListedSnapshot& snapshot) {
  if (snapshot.has_manifest) RETURN_IF_ERROR(store.Delete(snapshot.name.ManifestKey()));
  for (const std::string& key : snapshot.data_keys) RETURN_IF_ERROR(store.Delete(key));
  return absl::OkStatus();
}

}  // namespace cairn::adapter
