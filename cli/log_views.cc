#include "cli/log_views.h"

#include <algorithm>

namespace cairn::cli {

const std::map<std::string, ArchivePolicy>& ArchivePolicies() {
  static const auto* const kPolicies =
      new std::map<std::string, ArchivePolicy>{{"inherit", ArchivePolicy::kInherit},
                                               {"on", ArchivePolicy::kOn},
                                               {"off", ArchivePolicy::kOff}};
  return *kPolicies;
}

std::string ArchivePolicyName(ArchivePolicy policy) {
  for (const auto& [name, value] : ArchivePolicies()) {
    if (value == policy) return name;
  }
  return "inherit";
}

SettingsView SettingsView::From(const std::string& log, const LogSettings& settings) {
  return {.log = log,
          .fenced = settings.fenced.value_or(false),
          .retention_bytes = {settings.retention_bytes.value_or(0)},
          .retention_ms = {settings.retention_ms.value_or(0)},
          .trim_guard = settings.trim_guard.value_or(""),
          .segment_bytes = {settings.segment_bytes.value_or(0)},
          .append_bytes_per_second = {settings.append_bytes_per_second.value_or(0)},
          .appends_per_second = settings.appends_per_second.value_or(0),
          .archive = ArchivePolicyName(settings.archive.value_or(ArchivePolicy::kInherit))};
}

LogRowView LogRowView::From(const LogSummary& log) {
  const LogSettings& settings = log.settings;
  return {.name = log.name,
          .log_id = log.log_id,
          .fenced = settings.fenced.value_or(false),
          .retention_bytes = {settings.retention_bytes.value_or(0)},
          .retention_ms = {settings.retention_ms.value_or(0)},
          .trim_guard = settings.trim_guard.value_or(""),
          .replicas = log.replica_node_ids};
}

LeaseView LeaseView::From(const LeaseInfo& lease) {
  return {.name = lease.name,
          .holder = lease.holder,
          .epoch = lease.epoch,
          .ttl_ms = lease.ttl_ms,
          .remaining_ms = lease.remaining_ms};
}

SnapshotRowView SnapshotRowView::From(const SnapshotInfo& snapshot) {
  return {.name = snapshot.name,
          .seq = snapshot.seq,
          .chain = {snapshot.chain},
          .timestamp_us = {snapshot.timestamp_us},
          .location = snapshot.location};
}

ArchivedLogView ArchivedLogView::From(const LogDescription& log) {
  return {.on = log.archive->on,
          .first_seq = log.archive->first_seq,
          .archived_seq = log.archive->archived_seq,
          .lag_records =
              log.last_seq.value() - std::min(log.last_seq, log.archive->archived_seq).value(),
          .timestamp_us = {log.archive->timestamp_us},
          .location = log.archive->location,
          .trouble = log.archive->trouble};
}

LogView LogView::From(const LogDescription& log, std::optional<bool> importing) {
  LogView view{.settings = SettingsView::From(log.name, log.settings),
               .log_id = log.log_id,
               .first_seq = log.first_seq,
               .last_seq = log.last_seq,
               .chain = {log.chain},
               .timestamp_us = {log.timestamp_us},
               .bytes = {log.bytes},
               .leader = log.leader_address,
               .leader_node_id = log.leader_node_id,
               .term = log.term,
               .producers = log.producers,
               .stale = log.stale,
               .importing = importing};
  for (const ReplicaInfo& replica : log.replicas) {
    view.replicas.push_back(
        {replica.node_id, replica.node_name, replica.role, replica.match_index});
  }
  for (const LeaseInfo& lease : log.leases) view.leases.push_back(LeaseView::From(lease));
  for (const SnapshotInfo& snapshot : log.snapshots) {
    view.snapshots.push_back(SnapshotRowView::From(snapshot));
  }
  if (log.archive) view.archived.push_back(ArchivedLogView::From(log));
  return view;
}

}  // namespace cairn::cli
