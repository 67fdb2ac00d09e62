// What the bench commands take and what they print.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cli/commands.h"
#include "cli/view.h"

namespace cairn::cli {

struct BenchOptions {
  std::string log = "bench";
  uint64_t size_bytes = 128;
  uint64_t in_flight = 1;  // Unanswered operations of each client.
  uint64_t clients = 1;
  uint64_t connections = 0;  // 0: as many as clients, at most 4.
  uint64_t duration_ms = 10'000;
  uint64_t warmup_ms = 1'000;
  double rate = 0;  // Operations per second of all clients together; 0: closed loop.
  bool gap = false;
  bool producer = false;                // append, cas
  uint64_t max_request_records = 4096;  // With --producer.
  uint64_t logs = 0;                    // cas: 0: one per client.
  bool replay = false;                  // tail

  [[nodiscard]] uint64_t ConnectionCount() const {
    return connections != 0 ? connections : std::min<uint64_t>(clients, 4);
  }
};

// One object per run; docs/cli.md documents the fields.
struct BenchReport {
  std::string bench;
  std::string log;
  uint64_t size_bytes = 0;
  uint64_t clients = 0;
  uint64_t in_flight = 0;
  double rate = 0;
  double duration_s = 0;
  uint64_t ops = 0;
  uint64_t errors = 0;     // Certainly not done.
  uint64_t unknown = 0;    // May have been done.
  uint64_t conflicts = 0;  // Lost comparisons (cas); not errors.
  uint64_t unsent = 0;     // Open loop: were due, but --in-flight were unanswered already.
  double ops_per_s = 0;
  double mb_per_s = 0;  // Payload, 10^6 bytes.
  double mean_us = 0;
  double p50_us = 0;
  double p90_us = 0;
  double p99_us = 0;
  double p999_us = 0;
  double max_us = 0;
  std::optional<double> longest_gap_ms;    // --gap
  std::optional<double> longest_gap_at_s;  // --gap: when it began.
  std::optional<double> commit_p50_us;     // tail: of the appends that fed it.
  std::string first_error;

  template <class F>
  void Fields(F&& field) const {
    field("bench", bench);
    field("log", log);
    field("size_bytes", size_bytes);
    field("clients", clients);
    field("in_flight", in_flight);
    field("rate", rate);
    field("duration_s", duration_s);
    field("ops", ops);
    field("errors", errors);
    field("unknown", unknown);
    field("conflicts", conflicts);
    field("unsent", unsent);
    field("ops_per_s", ops_per_s);
    field("mb_per_s", mb_per_s);
    field("mean_us", mean_us);
    field("p50_us", p50_us);
    field("p90_us", p90_us);
    field("p99_us", p99_us);
    field("p999_us", p999_us);
    field("max_us", max_us);
    field("longest_gap_ms", longest_gap_ms);
    field("longest_gap_at_s", longest_gap_at_s);
    field("commit_p50_us", commit_p50_us);
    field("first_error", first_error);
  }
};

}  // namespace cairn::cli
