#include "cli/bench_recorder.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace cairn::cli {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kStart = 1'000 * kMs;

// Warm-up 100 ms, window of 1 s: [1100 ms, 2100 ms) on the clock of these tests.
BenchOptions Options(double rate) {
  BenchOptions options;
  options.warmup_ms = 100;
  options.duration_ms = 1000;
  options.rate = rate;
  options.gap = true;
  return options;
}

TEST(BenchRecorderTest, AClosedLoopCountsWhatEndsInTheWindow) {
  BenchRecorder recorder(Options(0), kStart);
  recorder.Done(kStart, kStart + 99 * kMs, 10);  // In the warm-up.
  recorder.Done(kStart + 50 * kMs, kStart + 100 * kMs, 10);
  recorder.Done(kStart + 90 * kMs, kStart + 1099 * kMs, 10);
  recorder.Done(kStart + 1000 * kMs, kStart + 1100 * kMs, 10);  // Past the end.
  const BenchReport report = recorder.Report(kStart + 5000 * kMs);
  EXPECT_EQ(report.ops, 2u);
  EXPECT_EQ(report.duration_s, 1);
  EXPECT_EQ(report.ops_per_s, 2);
  EXPECT_EQ(report.mb_per_s, 20 / 1e6);
  EXPECT_EQ(report.max_us, 1'009'000);
}

TEST(BenchRecorderTest, AnOpenLoopCountsWhatWasDueInTheWindow) {
  BenchRecorder recorder(Options(100), kStart);
  recorder.Done(kStart + 50 * kMs, kStart + 150 * kMs, 10);     // Due in the warm-up.
  recorder.Done(kStart + 1099 * kMs, kStart + 3099 * kMs, 10);  // A stall at the end shows.
  recorder.Unsent();
  const BenchReport report = recorder.Report(kStart + 5000 * kMs);
  EXPECT_EQ(report.ops, 1u);
  EXPECT_EQ(report.max_us, 2'000'000);
  EXPECT_EQ(report.unsent, 1u);
}

TEST(BenchRecorderTest, TheLongestGapIsBetweenSuccesses) {
  BenchRecorder recorder(Options(0), kStart);
  for (const int64_t ms : {200, 210, 700, 900}) {
    recorder.Done(kStart + ms * kMs, kStart + ms * kMs, 0);
  }
  const BenchReport report = recorder.Report(kStart + 1200 * kMs);
  ASSERT_TRUE(report.longest_gap_ms.has_value());
  EXPECT_DOUBLE_EQ(*report.longest_gap_ms, 490);
  EXPECT_DOUBLE_EQ(*report.longest_gap_at_s, 0.11);
}

TEST(BenchRecorderTest, AGapThatTheEndCutsOffCounts) {
  BenchRecorder recorder(Options(0), kStart);
  for (const int64_t ms : {200, 300}) recorder.Done(kStart + ms * kMs, kStart + ms * kMs, 0);
  const BenchReport report = recorder.Report(kStart + 1100 * kMs);
  EXPECT_DOUBLE_EQ(*report.longest_gap_ms, 800);
}

TEST(BenchRecorderTest, ThreadsAddUp) {
  BenchRecorder recorder(Options(0), kStart);
  BenchRecorder other(Options(0), kStart);  // One thread may feed two recorders in turn.
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10'000; ++i) {
        recorder.Done(kStart + 200 * kMs, kStart + 200 * kMs + i, 1);
        if (i % 100 == 0) other.Done(kStart + 200 * kMs, kStart + 201 * kMs, 1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(recorder.Report(kStart + 1100 * kMs).ops, 40'000u);
  EXPECT_EQ(other.Report(kStart + 1100 * kMs).ops, 400u);
}

TEST(BenchRecorderTest, FailuresAreSortedByWhatIsKnown) {
  BenchRecorder recorder(Options(0), kStart);
  recorder.Failed(absl::InvalidArgumentError("bad"), 3);
  recorder.Failed(absl::InternalError("worse"));
  const BenchReport report = recorder.Report(kStart + 1100 * kMs);
  EXPECT_EQ(report.errors, 4u);
  EXPECT_EQ(report.unknown, 0u);
  EXPECT_EQ(report.first_error, "bad");
}

}  // namespace
}  // namespace cairn::cli
