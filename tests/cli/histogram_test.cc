#include "cli/histogram.h"

#include <gtest/gtest.h>

namespace cairn::cli {
namespace {

TEST(HistogramTest, EmptyIsZero) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.QuantileNanos(0.99), 0u);
  EXPECT_EQ(histogram.MeanNanos(), 0);
}

TEST(HistogramTest, ASingleValueIsReportedWithinThePromise) {
  for (uint64_t nanos = 1; nanos < Histogram::kMaxNanos; nanos = nanos * 3 + 1) {
    Histogram histogram;
    histogram.Record(nanos);
    histogram.Record(Histogram::kMaxNanos);  // So that the maximum does not cap the median.
    const uint64_t median = histogram.QuantileNanos(0.5);
    EXPECT_GE(median, nanos);
    EXPECT_LE(static_cast<double>(median), static_cast<double>(nanos) * (1 + 1.0 / 128));
    if (nanos < 128) {
      EXPECT_EQ(median, nanos);
    }
  }
}

TEST(HistogramTest, QuantilesOfAnEvenSpread) {
  Histogram histogram;
  for (uint64_t us = 1; us <= 1000; ++us) histogram.Record(us * 1000);
  const auto near = [&histogram](double quantile, double want_us) {
    const double got_us = static_cast<double>(histogram.QuantileNanos(quantile)) / 1000;
    EXPECT_GE(got_us, want_us);
    EXPECT_LE(got_us, want_us * 1.008);
  };
  near(0.5, 500);
  near(0.99, 990);
  near(0.999, 999);
  EXPECT_EQ(histogram.QuantileNanos(1), 1'000'000u);
  EXPECT_EQ(histogram.max_nanos(), 1'000'000u);
  EXPECT_NEAR(histogram.MeanNanos(), 500'500, 1);
}

TEST(HistogramTest, MergingIsRecordingAll) {
  Histogram odd, even, all;
  for (uint64_t i = 1; i <= 9999; ++i) {
    (i % 2 == 1 ? odd : even).Record(i * 777);
    all.Record(i * 777);
  }
  odd.Merge(even);
  EXPECT_EQ(odd.count(), all.count());
  EXPECT_EQ(odd.max_nanos(), all.max_nanos());
  for (const double quantile : {0.0, 0.1, 0.5, 0.9, 0.999, 1.0}) {
    EXPECT_EQ(odd.QuantileNanos(quantile), all.QuantileNanos(quantile));
  }
}

TEST(HistogramTest, WhatIsTooLongCountsAsTheLongest) {
  Histogram histogram;
  histogram.Record(~uint64_t{0});
  EXPECT_EQ(histogram.max_nanos(), Histogram::kMaxNanos);
  EXPECT_EQ(histogram.count(), 1u);
}

}  // namespace
}  // namespace cairn::cli
