// TurnTally: what groups count while they work, as plain numbers.
//
// Part of Effects. The worker hands it to its ports once a tick and begins anew, so that counting
// costs neither a lock nor a call per append (server/runtime/metrics.h adds the tallies up).
//
// Threads: who holds the worker's turn. Bounds: arrays of fixed size.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/clock.h"

namespace cairn::server {

// The stages of server/append_times.h.
enum class Stage : uint8_t { kQueue, kGather, kEvaluate, kSync, kReplicate, kCommit, kApply };
inline constexpr size_t kStages = 7;

// What was full when a request was refused with OVERLOADED.
enum class Overload : uint8_t {
  kRequestBytes,  // The node's memory for appends.
  kMailbox,       // A worker's mailbox.
  kLogQueue,      // Requests of one log that wait to be judged, or for their commit.
  kReads,         // Reads of one log that wait for a round.
  kDeadline,      // Nothing was full, but the deadline passed before the request was judged.
};
inline constexpr size_t kOverloads = 5;

// Durations in buckets of 50 µs · 2^i, inclusive above; the last one is open.
struct LatencyTally {
  static constexpr MonoMicros kFirstBoundUs = 50;
  static constexpr size_t kBounds = 18;  // The last one: 6.5 s.

  std::array<uint64_t, kBounds + 1> counts{};
  MonoMicros sum_us = 0;

  void Add(MonoMicros us, uint64_t times = 1) {
    us = us < 0 ? 0 : us;
    const auto doublings =
        us == 0 ? 0 : static_cast<size_t>(std::bit_width(uint64_t((us - 1) / kFirstBoundUs)));
    counts[doublings < kBounds ? doublings : kBounds] += times;
    sum_us += us * static_cast<MonoMicros>(times);
  }
};

// What was left of a lease when it was renewed, in tenths of its TTL.
struct MarginTally {
  static constexpr size_t kBounds = 10;  // 0.1 … 1, inclusive above.

  std::array<uint64_t, kBounds> counts{};
  double sum = 0;

  void Add(uint64_t left_ms, uint64_t ttl_ms) {
    if (ttl_ms == 0) return;
    const uint64_t left = left_ms < ttl_ms ? left_ms : ttl_ms;
    ++counts[left == 0 ? 0 : (left * kBounds - 1) / ttl_ms];
    sum += static_cast<double>(left) / static_cast<double>(ttl_ms);
  }
};

struct TurnTally {
  std::array<LatencyTally, kStages> stages;
  std::array<uint64_t, kOverloads> overloaded{};
  MarginTally lease_margins;
  uint64_t leases_expired = 0;
  // Chunks for tails and reads that came from the ring, and from the disk.
  uint64_t chunks_from_memory = 0;
  uint64_t chunks_from_disk = 0;

  LatencyTally& operator[](Stage stage) { return stages[static_cast<size_t>(stage)]; }
  uint64_t& operator[](Overload what) { return overloaded[static_cast<size_t>(what)]; }
};

}  // namespace cairn::server
