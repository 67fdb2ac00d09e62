#include "server/runtime/metrics.h"

#include <prometheus/text_serializer.h>

#include <utility>
#include <vector>

namespace cairn::server {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;
using prometheus::Registry;

prometheus::Counter& AddCounter(Registry& registry, const char* name, const char* help) {
  return BuildCounter().Name(name).Help(help).Register(registry).Add({});
}

prometheus::Histogram& AddHistogram(Registry& registry, const char* name, const char* help,
                                    const prometheus::Histogram::BucketBoundaries& bounds) {
  return BuildHistogram().Name(name).Help(help).Register(registry).Add({}, bounds);
}

// 50 µs … 6.5 s, each twice the one before: a sync on a fast disk to one on a stalled disk.
prometheus::Histogram::BucketBoundaries LatencyBounds() {
  prometheus::Histogram::BucketBoundaries bounds;
  for (double seconds = 50e-6; seconds < 10; seconds *= 2) bounds.push_back(seconds);
  return bounds;
}

prometheus::Histogram::BucketBoundaries CountBounds() {
  return {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};
}

prometheus::Counter& DropCounter(Registry& registry, const char* reason) {
  return BuildCounter()
      .Name("cairn_peer_dropped_messages_total")
      .Help("Messages between nodes that were dropped, by reason; the protocol repeats them.")
      .Register(registry)
      .Add({{"reason", reason}});
}

// A gauge as it is scraped, without a registry.
void AddGauge(std::vector<prometheus::MetricFamily>& out, const char* name, const char* help,
              double value) {
  prometheus::MetricFamily family;
  family.name = name;
  family.help = help;
  family.type = prometheus::MetricType::Gauge;
  prometheus::ClientMetric metric;
  metric.gauge.value = value;
  family.metric.push_back(std::move(metric));
  out.push_back(std::move(family));
}

void AddGroups(std::vector<prometheus::MetricFamily>& out, const Metrics::Snapshot& snapshot) {
  prometheus::MetricFamily family;
  family.name = "cairn_groups";
  family.help = "Replicas on this node, by role.";
  family.type = prometheus::MetricType::Gauge;
  const std::pair<const char*, uint64_t> roles[] = {{"leader", snapshot.groups_leader},
                                                    {"follower", snapshot.groups_follower},
                                                    {"candidate", snapshot.groups_candidate},
                                                    {"halted", snapshot.groups_halted}};
  for (const auto& [role, count] : roles) {
    prometheus::ClientMetric metric;
    metric.label = {{"role", role}};
    metric.gauge.value = static_cast<double>(count);
    family.metric.push_back(std::move(metric));
  }
  out.push_back(std::move(family));
}

}  // namespace

Metrics::Metrics()
    : append_requests_total(AddCounter(*registry_, "cairn_append_requests_total",
                                       "Append requests that were taken in.")),
      append_refused_total(AddCounter(*registry_, "cairn_append_refused_total",
                                      "Append requests that were refused, whatever the reason.")),
      append_records_total(AddCounter(*registry_, "cairn_append_records_total",
                                      "Records that this node appended as a leader.")),
      append_bytes_total(AddCounter(*registry_, "cairn_append_bytes_total",
                                    "Bytes of records that this node appended as a leader.")),
      append_seconds(AddHistogram(*registry_, "cairn_append_seconds",
                                  "From an append's arrival to its answer.", LatencyBounds())),
      overloaded_total(AddCounter(*registry_, "cairn_overloaded_total",
                                  "Requests that were refused since a queue was full.")),
      append_quota_held_total(AddCounter(*registry_, "cairn_append_quota_held_total",
                                         "Appends that waited a moment for a quota.")),
      append_quota_refused_total(
          AddCounter(*registry_, "cairn_append_quota_refused_total",
                     "Appends that were refused since they were over a quota.")),
      open_tails(BuildGauge()
                     .Name("cairn_open_tails")
                     .Help("Tails and reads that are open.")
                     .Register(*registry_)
                     .Add({})),
      tail_bytes_total(AddCounter(*registry_, "cairn_tail_bytes_total",
                                  "Bytes of records handed to tails and reads.")),
      store_turn_seconds(AddHistogram(*registry_, "cairn_store_turn_seconds",
                                      "One write and sync of everything that waited.",
                                      LatencyBounds())),
      store_turn_groups(AddHistogram(*registry_, "cairn_store_turn_groups",
                                     "Groups' writes that shared one sync.", CountBounds())),
      cold_reads_total(
          AddCounter(*registry_, "cairn_cold_reads_total", "Range reads from disk, for laggards.")),
      peer_messages_sent_total(AddCounter(*registry_, "cairn_peer_messages_sent_total",
                                          "Messages handed to a peer's stream.")),
      peer_bytes_sent_total(AddCounter(*registry_, "cairn_peer_bytes_sent_total",
                                       "Bytes handed to peers' streams, about.")),
      peer_requests_sent_total(AddCounter(*registry_, "cairn_peer_requests_sent_total",
                                          "Writes to peers' streams; messages share them.")),
      peer_dropped_link_total(DropCounter(*registry_, "link_down")),
      peer_dropped_full_total(DropCounter(*registry_, "queue_full")),
      peer_messages_received_total(AddCounter(*registry_, "cairn_peer_messages_received_total",
                                              "Messages received from peers.")),
      peer_undecodable_total(DropCounter(*registry_, "undecodable")),
      peer_dropped_mailbox_total(DropCounter(*registry_, "mailbox_full")),
      peer_reconnects_total(AddCounter(*registry_, "cairn_peer_reconnects_total",
                                       "Streams to peers that were opened.")),
      alarms_total(AddCounter(*registry_, "cairn_alarms_total",
                              "Lines that call for an operator; see the log.")) {}

std::string Metrics::Text(const Snapshot& snapshot) const {
  std::vector<prometheus::MetricFamily> families = registry_->Collect();
  const auto gauge = [&](const char* name, const char* help, uint64_t value) {
    AddGauge(families, name, help, static_cast<double>(value));
  };
  AddGroups(families, snapshot);
  AddGauge(families, "cairn_uptime_seconds", "Since the process started.",
           static_cast<double>(snapshot.uptime_ms) / 1000);
  gauge("cairn_peers_connected", "Peers that this node has a stream to.", snapshot.peers_connected);
  gauge("cairn_groups_suspect",
        "Logs that this node does not lead any more, since a majority refused its entries.",
        snapshot.groups_suspect);
  gauge("cairn_groups_doubtful",
        "Replicas that lack something they acknowledged, until a leader has made them whole.",
        snapshot.groups_doubtful);
  gauge("cairn_group_refills",
        "Replicas that were emptied and refilled since the start: a majority held something else.",
        snapshot.refills);
  AddGauge(families, "cairn_clock_deviation_seconds",
           "This node's wall clock less the majority's, as the leader of some log; 0: unknown.",
           static_cast<double>(snapshot.clock_deviation_us) / 1e6);
  gauge("cairn_ready", "1 when requests are taken.", snapshot.ready ? 1 : 0);
  gauge("cairn_storage_full", "1 while appends are refused for lack of space.",
        snapshot.has_space ? 0 : 1);
  gauge("cairn_whole", "1 when every replica that ought to be here is, and is trusted.",
        snapshot.whole ? 1 : 0);
  gauge("cairn_storage_damaged", "1 when the next start has to rebuild the database.",
        snapshot.damaged ? 1 : 0);
  gauge("cairn_disk_free_bytes", "Free on the data directory's file system.",
        snapshot.disk_free_bytes);
  gauge("cairn_disk_used_bytes", "Size of the data directory's files.", snapshot.disk_used_bytes);
  gauge("cairn_store_turns", "Batches written since the start.", snapshot.store_turns);
  gauge("cairn_store_syncs", "Syncs since the start.", snapshot.store_syncs);
  gauge("cairn_store_payload_bytes", "Bytes handed to the store since the start.",
        snapshot.store_payload_bytes);
  gauge("cairn_store_wal_bytes", "Bytes appended to the write-ahead log since the start.",
        snapshot.store_wal_bytes);
  gauge("cairn_store_cache_bytes", "Blocks of tables in memory, 32 MiB at most.",
        snapshot.store_cache_bytes);
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace cairn::server
