// Metrics: the node's counters and histograms, with units in their names.
//
// Two kinds: what is counted where it happens (the members below; each is an atomic or a
// leaf lock inside the metrics library), and what is only looked at when somebody asks (a
// Snapshot that the node fills in at scrape time), so that an idle gauge costs nothing.
//
// Cardinality is bounded: no label carries a log's name.
//
// Threads: any. Lifetime: the references live as long as this object.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>

namespace cairn::server {

class Metrics {
  // First, since the references below are made from it.
  std::shared_ptr<prometheus::Registry> registry_ = std::make_shared<prometheus::Registry>();

 public:
  Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // ---- Appends (counted by the log service) ----------------------------------------------
  prometheus::Counter& append_requests_total;
  prometheus::Counter& append_refused_total;
  prometheus::Counter& append_records_total;
  prometheus::Counter& append_bytes_total;
  // From the request's arrival to its answer.
  prometheus::Histogram& append_seconds;
  prometheus::Counter& overloaded_total;
  prometheus::Counter& append_quota_held_total;     // Waited a moment for a quota.
  prometheus::Counter& append_quota_refused_total;  // Would have waited longer.

  // ---- Tails and reads (counted by the log service) ---------------------------------------
  prometheus::Gauge& open_tails;
  prometheus::Counter& tail_bytes_total;

  // ---- Storage ------------------------------------------------------------------------------
  // One write and one sync of everything that waited.
  prometheus::Histogram& store_turn_seconds;
  prometheus::Histogram& store_turn_groups;
  prometheus::Counter& cold_reads_total;

  // ---- Peers ----------------------------------------------------------------------------------
  prometheus::Counter& peer_messages_sent_total;
  prometheus::Counter& peer_bytes_sent_total;
  prometheus::Counter& peer_requests_sent_total;  // Messages share requests.
  prometheus::Counter& peer_dropped_link_total;   // The link was not up.
  prometheus::Counter& peer_dropped_full_total;   // The queue to the peer was full.
  prometheus::Counter& peer_messages_received_total;
  prometheus::Counter& peer_undecodable_total;
  prometheus::Counter& peer_dropped_mailbox_total;  // Received, but the worker's mailbox was full.
  prometheus::Counter& peer_reconnects_total;

  // ---- Trouble --------------------------------------------------------------------------------
  prometheus::Counter& alarms_total;

  // What is looked at when somebody asks.
  struct Snapshot {
    uint64_t groups_leader = 0;
    uint64_t groups_follower = 0;
    uint64_t groups_candidate = 0;
    uint64_t groups_halted = 0;
    uint64_t groups_suspect = 0;
    uint64_t groups_doubtful = 0;  // Whose acknowledgements do not count.
    uint64_t refills = 0;
    // The largest, of the groups that this node leads; of both signs.
    int64_t clock_deviation_us = 0;
    uint64_t peers_connected = 0;
    uint64_t uptime_ms = 0;
    bool ready = false;
    bool has_space = true;
    bool damaged = false;
    bool whole = false;
    uint64_t disk_free_bytes = 0;
    uint64_t disk_used_bytes = 0;
    uint64_t store_turns = 0;
    uint64_t store_syncs = 0;
    uint64_t store_payload_bytes = 0;
    uint64_t store_wal_bytes = 0;
    uint64_t store_cache_bytes = 0;
  };

  // All metrics in the text format that Prometheus scrapes.
  [[nodiscard]] std::string Text(const Snapshot& snapshot) const;
};

}  // namespace cairn::server
