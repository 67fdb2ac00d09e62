#include "cli/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/check.h"

namespace cairn::cli {

// Values below kSubBuckets have a bucket each. Above, a value with its highest bit at
// position p is shifted right by p - kSubBucketBits, which leaves kSubBuckets … 2 *
// kSubBuckets - 1: one row of buckets per shift.
size_t Histogram::BucketOf(uint64_t nanos) {
  const int highest_bit = std::bit_width(nanos) - 1;
  if (highest_bit < kSubBucketBits) return static_cast<size_t>(nanos);
  const int shift = highest_bit - kSubBucketBits;
  return static_cast<size_t>(shift) * kSubBuckets + static_cast<size_t>(nanos >> shift);
}

uint64_t Histogram::UpperBound(size_t bucket) {
  if (bucket < 2 * kSubBuckets) return bucket;
  const size_t shift = bucket / kSubBuckets - 1;
  const uint64_t mantissa = bucket % kSubBuckets + kSubBuckets;
  return ((mantissa + 1) << shift) - 1;
}

void Histogram::Record(uint64_t nanos) {
  nanos = std::min(nanos, kMaxNanos);
  const size_t bucket = BucketOf(nanos);
  CHECK_LT(bucket, kBuckets);
  ++buckets_[bucket];
  ++count_;
  max_nanos_ = std::max(max_nanos_, nanos);
  sum_nanos_ += static_cast<double>(nanos);
}

void Histogram::Merge(const Histogram& other) {
  for (size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  max_nanos_ = std::max(max_nanos_, other.max_nanos_);
  sum_nanos_ += other.sum_nanos_;
}

double Histogram::MeanNanos() const {
  return count_ == 0 ? 0 : sum_nanos_ / static_cast<double>(count_);
}

uint64_t Histogram::QuantileNanos(double quantile) const {
  CHECK(quantile >= 0 && quantile <= 1);
  if (count_ == 0) return 0;
  const auto wanted = std::max<uint64_t>(
      1, static_cast<uint64_t>(std::ceil(quantile * static_cast<double>(count_))));
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen >= wanted) return std::min(UpperBound(i), max_nanos_);
  }
  return max_nanos_;
}

}  // namespace cairn::cli
