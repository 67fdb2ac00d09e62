#include "storage/background_pace.h"

#include <gtest/gtest.h>

#include "storage/steady_bursts.h"

namespace cairn::storage {
namespace {

constexpr int64_t kMiB = 1 << 20;

// A log that grows, looked at ten times a second.
class Log {
 public:
  Log() {
    EXPECT_TRUE(pace_.Due(now_));
    EXPECT_EQ(pace_.Adjust(now_, bytes_, {}), BackgroundPace::kLeast);
  }
  int64_t Grow(int64_t bytes_a_second, const Backlog& backlog = {}, int periods = 1) {
    int64_t pace = 0;
    for (int i = 0; i < periods; ++i) {
      now_ += kMicrosPerSecond / 10;
      bytes_ += static_cast<uint64_t>(bytes_a_second) / 10;
      EXPECT_TRUE(pace_.Due(now_));
      pace = pace_.Adjust(now_, bytes_, backlog);
      EXPECT_FALSE(pace_.Due(now_ + kMicrosPerSecond / 10 - 1));
    }
    return pace;
  }

 private:
  MonoMicros now_ = 1'000'000'000;
  uint64_t bytes_ = 12345;
  BackgroundPace pace_;
};

TEST(BackgroundPaceTest, FollowsTheLog) {
  Log log;
  EXPECT_EQ(log.Grow(0), BackgroundPace::kLeast);
  EXPECT_EQ(log.Grow(kMiB), BackgroundPace::kLeast);
  EXPECT_NEAR(log.Grow(100 * kMiB), 200 * kMiB, kMiB);
  EXPECT_NEAR(log.Grow(200 * kMiB), 400 * kMiB, kMiB);
}

TEST(BackgroundPaceTest, ALullDoesNotSlowDownTheFlushOfWhatCameBefore) {
  Log log;
  log.Grow(100 * kMiB, {}, 10);
  EXPECT_GT(log.Grow(0, {}, 3), 140 * kMiB);
  EXPECT_EQ(log.Grow(0, {}, 100), BackgroundPace::kLeast);
}

TEST(BackgroundPaceTest, ACompactionHasItsOwnShare) {
  Log log;
  EXPECT_NEAR(log.Grow(100 * kMiB, {.compacts = true}), 300 * kMiB, kMiB);
}

TEST(BackgroundPaceTest, WhatPilesUpHasNoBound) {
  Log log;
  EXPECT_NEAR(log.Grow(100 * kMiB, {.full_memtables = 1, .level0_files = 9}), 200 * kMiB, kMiB);
  EXPECT_EQ(log.Grow(100 * kMiB, {.full_memtables = 2}), BackgroundPace::kUnbounded);
  EXPECT_EQ(log.Grow(100 * kMiB, {.level0_files = 10}), BackgroundPace::kUnbounded);
  EXPECT_NEAR(log.Grow(100 * kMiB, {.full_memtables = 1}), 200 * kMiB, kMiB);
}

// A request that was sized before the rate fell is served, which RocksDB's own limiter does not
// survive.
TEST(SteadyBurstsTest, TheRateMayFallBetweenAskingAndTaking) {
  const auto limiter = MakeSteadyBursts(BackgroundPace::kUnbounded, BackgroundPace::kLeast);
  const int64_t burst = limiter->GetSingleBurstBytes();
  limiter->SetBytesPerSecond(BackgroundPace::kLeast);
  EXPECT_EQ(limiter->GetSingleBurstBytes(), burst);
  limiter->Request(burst, rocksdb::Env::IO_LOW, nullptr, rocksdb::RateLimiter::OpType::kWrite);
  EXPECT_EQ(limiter->GetTotalBytesThrough(rocksdb::Env::IO_LOW), burst);
  EXPECT_EQ(limiter->GetBytesPerSecond(), BackgroundPace::kLeast);
}

}  // namespace
}  // namespace cairn::storage
