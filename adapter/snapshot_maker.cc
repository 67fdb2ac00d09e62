#include "adapter/snapshot_maker.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <string_view>
#include <vector>

#include "adapter/snapshot_fetch.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "cairn/admin.h"

namespace cairn::adapter {
namespace {

absl::Status RemoveOld(objects::ObjectStore* store, const Log& log,
                       const RetentionPolicy& retention, WallMicros now_us,
                       SnapshotResult* result) {
  const std::string prefix = SnapshotsOfLog(log.name(), log.id());
  ASSIGN_OR_RETURN(const std::vector<objects::StoredObject> listing, store->List(prefix));
  const RemovalPlan plan =
      PlanRemoval(GroupBySnapshot(listing), retention, result->manifest.seq, now_us);
  for (const ListedSnapshot& old : plan.expired) {
    RETURN_IF_ERROR(RemoveSnapshot(*store, old));
    ++result->removed_snapshots;
  }
  for (const ListedSnapshot& orphan : plan.orphans) {
    RETURN_IF_ERROR(RemoveSnapshot(*store, orphan));
  }
  return store->RemoveUnfinished(now_us - retention.orphan_age_us).status();
}

}  // namespace

std::string LocationOf(const objects::ObjectStore& store, const SnapshotName& name) {
  const std::string_view url = store.url();
  const std::string_view place = url.substr(0, url.find('?'));  // Options of S3 stand behind it.
  return fmt::format("{}/{}{}", place, name.folder, url.substr(place.size()));
}

absl::Status RegisterStored(Client* client, Log log, const SnapshotManifest& manifest,
                            const std::string& location) {
  RETURN_IF_ERROR(log.RegisterSnapshot(kSnapshotName, manifest.seq, manifest.chain, location));
  ASSIGN_OR_RETURN(const LogDescription log_now, DescribeNow(log));
  if (!log_now.settings.trim_guard.value_or("").empty()) return absl::OkStatus();
  LogSettings settings;
  settings.trim_guard = std::string(kSnapshotName);
  return client->admin().UpdateLog(log.name(), log.id(), settings).status();
}

absl::Status SettleSnapshot(Client* client, Log log, objects::ObjectStore* store, CacheKind kind,
                            const SnapshotMakerOptions& options, WallMicros now_us,
                            SnapshotResult* result) {
  RETURN_IF_ERROR(RegisterStored(client, log, result->manifest, result->location));
  ASSIGN_OR_RETURN(result->log_first_seq, TrimLog(log, options.trim, kind, result->manifest.seq));
  const absl::Status removed = RemoveOld(store, log, options.retention, now_us, result);
  if (!removed.ok() && !absl::IsCancelled(removed)) {
    spdlog::warn("old snapshots, or what uploads left behind, stay: {}", ToStd(removed.message()));
  }
  return absl::OkStatus();
}

}  // namespace cairn::adapter
