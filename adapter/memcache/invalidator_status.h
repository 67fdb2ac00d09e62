// InvalidatorStatus: what an invalidator knows of itself, for those who watch it.
//
// Threads: plain values; the functions are pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cairn::adapter::memcache {

// One target, as far as one log goes.
struct LaneStatus {
  std::string log;
  std::string target;
  uint64_t position = 0;     // Told through this record.
  uint64_t lag_records = 0;  // Read, and not told.
  int64_t lag_us = 0;        // Since the oldest change that was not told, by the clock here.
  uint64_t backlog_keys = 0;
  uint64_t backlog_bytes = 0;
  uint64_t told = 0;  // Keys and flushes, since the process began.
  uint64_t lost = 0;  // The same, with --on-gap report.
  uint64_t gaps = 0;  // For ever.
};

struct TargetStatus {
  std::string target;
  bool up = false;
  std::string trouble;
  uint64_t batches = 0;
  uint64_t failures = 0;
  uint64_t refused = 0;
};

struct InvalidatorStatus {
  bool began = false;
  std::vector<std::string> unread;  // Logs that cannot be read for now.
  std::vector<TargetStatus> targets;
  std::vector<LaneStatus> lanes;

  // Empty: all logs are read and all targets answer. Else what is wrong.
  [[nodiscard]] std::string NotReady() const;
  // For Prometheus; names begin with "cairn_agent_invalidation_".
  [[nodiscard]] std::string Metrics() const;
};

}  // namespace cairn::adapter::memcache
