#include "cli/log_views.h"

namespace cairn::cli {

SettingsView SettingsView::From(const std::string& log, const LogSettings& settings) {
  return {.log = log,
          .fenced = settings.fenced.value_or(false),
          .retention_bytes = {settings.retention_bytes.value_or(0)},
          .retention_ms = {settings.retention_ms.value_or(0)},
          .trim_guard = settings.trim_guard.value_or(""),
          .segment_bytes = {settings.segment_bytes.value_or(0)},
          .append_bytes_per_second = {settings.append_bytes_per_second.value_or(0)},
          .appends_per_second = settings.appends_per_second.value_or(0)};
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

LogView LogView::From(const LogDescription& log) {
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
               .stale = log.stale};
  for (const ReplicaInfo& replica : log.replicas) {
    view.replicas.push_back(
        {replica.node_id, replica.node_name, replica.role, replica.match_index});
  }
  for (const LeaseInfo& lease : log.leases) view.leases.push_back(LeaseView::From(lease));
  for (const SnapshotInfo& snapshot : log.snapshots) {
    view.snapshots.push_back(SnapshotRowView::From(snapshot));
  }
  return view;
}

}  // namespace cairn::cli
