// Metrics: the node's counters and histograms, with units in their names.
//
// Two kinds: what is counted where it happens (the members below; each is an atomic or a
// leaf lock inside the metrics library), and what is only looked at when somebody asks (a
// Snapshot that the node fills in at scrape time), so that an idle gauge costs nothing.
//
// Cardinality is bounded: labels carry stages, queues and members' names; a log's name only with
// --metrics-per-log, for that many logs.
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
#include <utility>
#include <vector>

#include "base/ids.h"
#include "server/turn_tally.h"

namespace cairn::server {

class Metrics {
  // First, since the references below are made from it.
  std::shared_ptr<prometheus::Registry> registry_ = std::make_shared<prometheus::Registry>();

 public:
  Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // ---- Appends (counted by the services, at their answers) ---------------------------------
  prometheus::Counter& append_requests_total;
  prometheus::Counter& append_refused_total;
  prometheus::Counter& append_records_total;
  prometheus::Counter& append_bytes_total;
  // From the request's arrival to its answer, of those that were done.
  prometheus::Histogram& append_seconds;
  prometheus::Counter& append_slow_total;
  prometheus::Counter& overloaded(Overload what) const {
    return *overloaded_[static_cast<size_t>(what)];
  }
  prometheus::Counter& append_quota_held_total;     // Waited a moment for a quota.
  prometheus::Counter& append_quota_refused_total;  // Would have waited longer.

  // ---- Tails and reads (counted by the log service) ---------------------------------------
  prometheus::Gauge& open_tails;
  prometheus::Gauge& open_streams;  // AppendStream and KeepAlive.
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

  // ---- Archive --------------------------------------------------------------------------------
  prometheus::Counter& archive_objects_total;  // Stored and read back.
  prometheus::Counter& archive_bytes_total;
  prometheus::Counter& archive_errors_total;
  prometheus::Counter& archive_fetches_total;  // Objects that readers needed.
  prometheus::Counter& archive_fetched_bytes_total;

  // ---- Trouble --------------------------------------------------------------------------------
  prometheus::Counter& alarms_total;

  // Adds what a worker counted in its turns.
  void Add(const TurnTally& tally);

  // The worst of the groups that this node leads.
  struct Lag {
    std::string peer;  // Name of the member.
    uint64_t entries = 0;
    uint64_t bytes = 0;
    int64_t us = 0;
  };
  struct Log {
    std::string name;
    uint64_t last_seq = 0;
    uint64_t lag_entries = 0;
    bool leads = false;
  };
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
    uint64_t peers = 0;
    uint64_t groups_leaderless = 0;  // Whose leader is not known here.
    uint64_t groups_hibernating = 0;
    uint64_t watermark_bytes = 0;
    uint64_t leases_held = 0;
    uint64_t tail_lag_records = 0;
    uint64_t commit_lag_entries = 0;  // Proposed and not committed, at most in any group.
    // Of the logs led here: records that the archive lacks, in the log that lacks most; and how
    // long the oldest has waited.
    uint64_t archive_lag_records = 0;
    int64_t archive_lag_us = 0;
    std::vector<Lag> lags;  // One a peer.
    std::vector<Log> logs;  // At most --metrics-per-log.
    // File and time left of each certificate; negative: it has ended.
    std::vector<std::pair<std::string, int64_t>> certificate_seconds;
  };

  // All metrics in the text format that Prometheus scrapes.
  [[nodiscard]] std::string Text(const Snapshot& snapshot) const;

 private:
  std::array<prometheus::Counter*, kOverloads> overloaded_{};
  std::array<prometheus::Histogram*, kStages> stages_{};
  prometheus::Histogram* lease_margin_ = nullptr;
  prometheus::Counter* leases_expired_ = nullptr;
  prometheus::Counter* chunks_from_memory_ = nullptr;
  prometheus::Counter* chunks_from_disk_ = nullptr;
};

}  // namespace cairn::server
