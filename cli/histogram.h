// Histogram: counts of durations in logarithmic buckets, for latency percentiles.
//
// Each power of two is cut into 128 equal buckets, so a reported value is at most
// 1/128 (0.8 %) above the true one and never below it; below 128 ns it is exact.
// Memory is fixed: 36 KiB, whatever is recorded.
// Threads: not safe; each load thread owns one, and they are merged at the end.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace cairn::cli {

class Histogram {
 public:
  // Durations above this (18 minutes) count as this.
  static constexpr uint64_t kMaxNanos = (uint64_t{1} << 40) - 1;

  void Record(uint64_t nanos);
  void Merge(const Histogram& other);

  [[nodiscard]] uint64_t count() const { return count_; }
  // Exact, 0 when empty.
  [[nodiscard]] uint64_t max_nanos() const { return max_nanos_; }
  [[nodiscard]] double MeanNanos() const;
  // The smallest bucket bound that at least `quantile` (0 … 1) of all records do not
  // pass; 0 when empty.
  [[nodiscard]] uint64_t QuantileNanos(double quantile) const;

 private:
  static constexpr int kSubBucketBits = 7;
  static constexpr size_t kSubBuckets = size_t{1} << kSubBucketBits;
  static constexpr size_t kBuckets = (40 - kSubBucketBits + 1) * kSubBuckets;

  static size_t BucketOf(uint64_t nanos);
  // Largest value that falls into the bucket.
  static uint64_t UpperBound(size_t bucket);

  std::array<uint64_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
  uint64_t max_nanos_ = 0;
  double sum_nanos_ = 0;
};

}  // namespace cairn::cli
