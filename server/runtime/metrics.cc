#include "server/runtime/metrics.h"

#include <algorithm>
#include <array>
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

// In the order of Overload.
constexpr std::array<const char*, kOverloads> kOverloadNames = {"request_bytes", "mailbox",
                                                                "log_queue", "reads", "deadline"};
// In the order of Stage.
constexpr std::array<const char*, kStages> kStageNames = {"queue",     "gather", "evaluate", "sync",
                                                          "replicate", "commit", "apply"};

prometheus::Counter& ChunkCounter(Registry& registry, const char* source) {
  return BuildCounter()
      .Name("cairn_tail_chunks_total")
      .Help("Pieces handed to tails and reads, by where they came from: memory or disk.")
      .Register(registry)
      .Add({{"source", source}});
}

// The bounds of a LatencyTally, which are LatencyBounds().
prometheus::Histogram& StageHistogram(Registry& registry, const char* stage) {
  return BuildHistogram()
      .Name("cairn_append_stage_seconds")
      .Help("Where appends that this node led spent their time, by stage.")
      .Register(registry)
      .Add({{"stage", stage}}, LatencyBounds());
}

prometheus::Histogram::BucketBoundaries TenthBounds() {
  return {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9};
}

template <size_t kSize>
void Observe(prometheus::Histogram& histogram, const std::array<uint64_t, kSize>& counts,
             double sum) {
  if (std::all_of(counts.begin(), counts.end(), [](uint64_t n) { return n == 0; })) return;
  histogram.ObserveMultiple({counts.begin(), counts.end()}, sum);
}

}  // namespace

Metrics::Metrics()
    : append_requests_total(AddCounter(*registry_, "cairn_append_requests_total",
                                       "Append requests that were answered, well or not.")),
      append_refused_total(AddCounter(*registry_, "cairn_append_refused_total",
                                      "Append requests that were refused, whatever the reason.")),
      append_records_total(AddCounter(*registry_, "cairn_append_records_total",
                                      "Records that this node appended as a leader.")),
      append_bytes_total(AddCounter(*registry_, "cairn_append_bytes_total",
                                    "Bytes of records that this node appended as a leader.")),
      append_seconds(AddHistogram(*registry_, "cairn_append_seconds",
                                  "From an append's arrival to its answer, if it was done.",
                                  LatencyBounds())),
      append_slow_total(AddCounter(*registry_, "cairn_append_slow_total",
                                   "Appends that took --slow-append-ms or longer.")),
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
      open_streams(BuildGauge()
                       .Name("cairn_open_streams")
                       .Help("Streams of appends and of lease renewals that are open.")
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
      archive_objects_total(AddCounter(*registry_, "cairn_archive_objects_total",
                                       "Objects that this node stored in the archive.")),
      archive_bytes_total(AddCounter(*registry_, "cairn_archive_bytes_total",
                                     "Bytes that this node stored in the archive.")),
      archive_errors_total(AddCounter(*registry_, "cairn_archive_errors_total",
                                      "Objects that could not be stored, read back or read.")),
      archive_fetches_total(AddCounter(*registry_, "cairn_archive_fetches_total",
                                       "Objects that were fetched for readers of old records.")),
      archive_fetched_bytes_total(
          AddCounter(*registry_, "cairn_archive_fetched_bytes_total", "Bytes of those objects.")),
      alarms_total(AddCounter(*registry_, "cairn_alarms_total",
                              "Lines that call for an operator; see the log.")) {
  for (size_t i = 0; i < kOverloads; ++i) {
    overloaded_[i] = &BuildCounter()
                          .Name("cairn_overloaded_total")
                          .Help("Requests that were refused with OVERLOADED, by what was full.")
                          .Register(*registry_)
                          .Add({{"queue", kOverloadNames[i]}});
  }
  for (size_t i = 0; i < kStages; ++i) stages_[i] = &StageHistogram(*registry_, kStageNames[i]);
  lease_margin_ =
      &AddHistogram(*registry_, "cairn_lease_margin_ratio",
                    "What was left of a lease when it was renewed, of its TTL.", TenthBounds());
  leases_expired_ = &AddCounter(*registry_, "cairn_leases_expired_total",
                                "Leases that nobody renewed in time, of the logs led here.");
  chunks_from_memory_ = &ChunkCounter(*registry_, "memory");
  chunks_from_disk_ = &ChunkCounter(*registry_, "disk");
}

void Metrics::Add(const TurnTally& tally) {
  for (size_t i = 0; i < kStages; ++i) {
    const LatencyTally& stage = tally.stages[i];
    Observe(*stages_[i], stage.counts, static_cast<double>(stage.sum_us) / kMicrosPerSecond);
  }
  for (size_t i = 0; i < kOverloads; ++i) {
    if (tally.overloaded[i] > 0) {
      overloaded_[i]->Increment(static_cast<double>(tally.overloaded[i]));
    }
  }
  Observe(*lease_margin_, tally.lease_margins.counts, tally.lease_margins.sum);
  leases_expired_->Increment(static_cast<double>(tally.leases_expired));
  chunks_from_memory_->Increment(static_cast<double>(tally.chunks_from_memory));
  chunks_from_disk_->Increment(static_cast<double>(tally.chunks_from_disk));
}

}  // namespace cairn::server
