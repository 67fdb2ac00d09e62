#include "server/rpc/counters.h"

#include <cmath>

namespace cairn::rpc {
namespace {

uint64_t CountOf(const prometheus::Counter& counter) {
  return static_cast<uint64_t>(counter.Value());
}

// Of all queues.
uint64_t OverloadedOf(const server::Metrics& metrics) {
  uint64_t refused = 0;
  for (size_t queue = 0; queue < server::kOverloads; ++queue) {
    refused += CountOf(metrics.overloaded(static_cast<server::Overload>(queue)));
  }
  return refused;
}

// The library counts all up to a bound; a bucket here is what lies between two.
void Fill(const prometheus::Histogram& histogram, v1::Durations& durations) {
  const prometheus::ClientMetric metric = histogram.Collect();
  uint64_t below = 0;
  for (const auto& bucket : metric.histogram.bucket) {
    if (std::isfinite(bucket.upper_bound)) durations.add_upper_bounds_s(bucket.upper_bound);
    durations.add_counts(bucket.cumulative_count - below);
    below = bucket.cumulative_count;
  }
}

}  // namespace

void Fill(server::Node& node, v1::NodeCounters& counters) {
  const server::Metrics& metrics = node.metrics();
  const server::Metrics::Snapshot now = node.Measure();
  counters.set_append_requests(CountOf(metrics.append_requests_total));
  counters.set_append_refused(CountOf(metrics.append_refused_total));
  counters.set_append_records(CountOf(metrics.append_records_total));
  counters.set_append_bytes(CountOf(metrics.append_bytes_total));
  Fill(metrics.append_seconds, *counters.mutable_append_seconds());
  counters.set_store_syncs(now.store_syncs);
  Fill(metrics.store_turn_seconds, *counters.mutable_store_turn_seconds());
  counters.set_open_tails(static_cast<uint64_t>(metrics.open_tails.Value()));
  counters.set_overloaded(OverloadedOf(metrics));
  counters.set_alarms(CountOf(metrics.alarms_total));
  counters.set_disk_used_bytes(now.disk_used_bytes);
  counters.set_disk_watermark_bytes(node.config().storage_watermark_bytes);
  counters.set_clock_deviation_us(now.clock_deviation_us);
  counters.set_storage_damaged(now.damaged);
}

}  // namespace cairn::rpc
