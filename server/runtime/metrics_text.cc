// Metrics::Text: what is only looked at when somebody asks, as gauges without a registry.

#include <prometheus/text_serializer.h>

#include <string>
#include <utility>
#include <vector>

#include "server/runtime/metrics.h"

namespace cairn::server {
namespace {

using Families = std::vector<prometheus::MetricFamily>;

prometheus::MetricFamily Gauges(const char* name, const char* help) {
  prometheus::MetricFamily family;
  family.name = name;
  family.help = help;
  family.type = prometheus::MetricType::Gauge;
  return family;
}

void AddTo(prometheus::MetricFamily& family, const char* label, const std::string& label_value,
           double value) {
  prometheus::ClientMetric metric;
  if (label != nullptr) metric.label = {{label, label_value}};
  metric.gauge.value = value;
  family.metric.push_back(std::move(metric));
}

void AddGauge(Families& out, const char* name, const char* help, double value) {
  out.push_back(Gauges(name, help));
  AddTo(out.back(), nullptr, "", value);
}

void AddCount(Families& out, const char* name, const char* help, uint64_t value) {
  AddGauge(out, name, help, static_cast<double>(value));
}

double Seconds(int64_t us) { return static_cast<double>(us) / kMicrosPerSecond; }

void AddGroups(Families& out, const Metrics::Snapshot& now) {
  out.push_back(Gauges("cairn_groups", "Replicas on this node, by role."));
  const std::pair<const char*, uint64_t> roles[] = {{"leader", now.groups_leader},
                                                    {"follower", now.groups_follower},
                                                    {"candidate", now.groups_candidate},
                                                    {"halted", now.groups_halted}};
  for (const auto& [role, count] : roles) {
    AddTo(out.back(), "role", role, static_cast<double>(count));
  }
  AddCount(out, "cairn_groups_hibernating",
           "Replicas on this node that rest until something is asked of their log.",
           now.groups_hibernating);
  AddCount(out, "cairn_groups_leaderless", "Replicas on this node that know no leader.",
           now.groups_leaderless);
  AddCount(out, "cairn_groups_suspect",
           "Logs that this node does not lead any more, since a majority refused its entries.",
           now.groups_suspect);
  AddCount(out, "cairn_groups_doubtful",
           "Replicas that lack something they acknowledged, until a leader has made them whole.",
           now.groups_doubtful);
  AddCount(
      out, "cairn_group_refills",
      "Replicas that were emptied and refilled since the start: a majority held something else.",
      now.refills);
}

void AddCertificates(Families& out, const Metrics::Snapshot& now) {
  if (now.certificate_seconds.empty()) return;
  out.push_back(Gauges("cairn_tls_certificate_seconds",
                       "Until the certificate in the file ends; negative: it has."));
  for (const auto& [file, seconds] : now.certificate_seconds) {
    AddTo(out.back(), "file", file, static_cast<double>(seconds));
  }
}

void AddLags(Families& out, const Metrics::Snapshot& now) {
  prometheus::MetricFamily entries =
      Gauges("cairn_replica_lag_entries",
             "Entries that a peer lacks, of the log led here in which it lacks most.");
  prometheus::MetricFamily bytes = Gauges(
      "cairn_replica_lag_bytes", "Bytes that a peer lacks, of the log led here where it is most.");
  prometheus::MetricFamily seconds =
      Gauges("cairn_replica_lag_seconds",
             "Since the oldest record that a peer lacks was appended, of all logs led here.");
  for (const Metrics::Lag& lag : now.lags) {
    AddTo(entries, "peer", lag.peer, static_cast<double>(lag.entries));
    AddTo(bytes, "peer", lag.peer, static_cast<double>(lag.bytes));
    AddTo(seconds, "peer", lag.peer, Seconds(lag.us));
  }
  for (prometheus::MetricFamily* family : {&entries, &bytes, &seconds}) {
    out.push_back(std::move(*family));
  }
  AddCount(out, "cairn_commit_lag_entries",
           "Entries that are proposed and not committed, in the log led here with most of them.",
           now.commit_lag_entries);
  AddCount(out, "cairn_tail_lag_records",
           "Committed records that the slowest open tail of this node was not handed yet.",
           now.tail_lag_records);
}

// With --metrics-per-log only.
void AddLogs(Families& out, const Metrics::Snapshot& now) {
  if (now.logs.empty()) return;
  prometheus::MetricFamily last =
      Gauges("cairn_log_last_seq", "Newest committed record here, of the busiest logs.");
  prometheus::MetricFamily lag =
      Gauges("cairn_log_lag_entries", "Entries that the slowest follower lacks, if led here.");
  prometheus::MetricFamily leads =
      Gauges("cairn_log_leader", "1 if this node leads the log, else 0.");
  for (const Metrics::Log& log : now.logs) {
    AddTo(last, "log", log.name, static_cast<double>(log.last_seq));
    AddTo(lag, "log", log.name, static_cast<double>(log.lag_entries));
    AddTo(leads, "log", log.name, log.leads ? 1 : 0);
  }
  for (prometheus::MetricFamily* family : {&last, &lag, &leads}) out.push_back(std::move(*family));
}

void AddStorage(Families& out, const Metrics::Snapshot& now) {
  AddCount(out, "cairn_storage_full", "1 while appends are refused for lack of space.",
           now.has_space ? 0 : 1);
  AddCount(out, "cairn_storage_watermark_bytes",
           "Free space below which appends are refused (--storage-watermark-bytes).",
           now.watermark_bytes);
  AddCount(out, "cairn_storage_damaged", "1 when the next start has to rebuild the database.",
           now.damaged ? 1 : 0);
  AddCount(out, "cairn_disk_free_bytes", "Free on the data directory's file system.",
           now.disk_free_bytes);
  AddCount(out, "cairn_disk_used_bytes", "Size of the data directory's files.",
           now.disk_used_bytes);
  AddCount(out, "cairn_store_turns", "Batches written since the start.", now.store_turns);
  AddCount(out, "cairn_store_syncs", "Syncs since the start.", now.store_syncs);
  AddCount(out, "cairn_store_payload_bytes", "Bytes handed to the store since the start.",
           now.store_payload_bytes);
  AddCount(out, "cairn_store_wal_bytes", "Bytes appended to the write-ahead log since the start.",
           now.store_wal_bytes);
  AddCount(out, "cairn_store_cache_bytes", "Blocks of tables in memory, 32 MiB at most.",
           now.store_cache_bytes);
}

}  // namespace

std::string Metrics::Text(const Snapshot& now) const {
  Families families = registry_->Collect();
  AddGroups(families, now);
  AddCertificates(families, now);
  AddGauge(families, "cairn_uptime_seconds", "Since the process started.",
           static_cast<double>(now.uptime_ms) / 1000);
  AddCount(families, "cairn_peers_connected", "Peers that this node has a stream to.",
           now.peers_connected);
  AddCount(families, "cairn_peers", "Other members of the cluster.", now.peers);
  AddGauge(families, "cairn_clock_deviation_seconds",
           "This node's wall clock less the majority's, as the leader of some log; 0: unknown.",
           Seconds(now.clock_deviation_us));
  AddCount(families, "cairn_ready", "1 when requests are taken.", now.ready ? 1 : 0);
  AddCount(families, "cairn_whole",
           "1 when every replica that ought to be here is, and is trusted.", now.whole ? 1 : 0);
  AddCount(families, "cairn_leases_held", "Leases that are held, of the logs led here.",
           now.leases_held);
  AddLags(families, now);
  AddCount(families, "cairn_archive_lag_records",
           "Records that the archive lacks, of the log led here in which it lacks most.",
           now.archive_lag_records);
  AddGauge(families, "cairn_archive_lag_seconds",
           "How long the oldest record has waited to be archived, of the logs led here.",
           Seconds(now.archive_lag_us));
  AddStorage(families, now);
  AddLogs(families, now);
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace cairn::server
