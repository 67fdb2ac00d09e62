#include "server/runtime/memory_keeper.h"

#include <gtest/gtest.h>

namespace cairn::server {
namespace {

constexpr uint64_t kMiB = 1 << 20;

// Looks once a second while `seconds` pass in which `bytes_per_s` are worked; how often it was
// time.
int Trims(MemoryKeeper& keeper, uint64_t& work, MonoMicros& now, int seconds,
          uint64_t bytes_per_s) {
  int trims = 0;
  for (int i = 0; i < seconds; ++i) {
    now += kMicrosPerSecond;
    work += bytes_per_s;
    if (keeper.Look(work, now)) ++trims;
  }
  return trims;
}

TEST(MemoryKeeperTest, TrimsOnceAfterALoad) {
  MemoryKeeper keeper;
  uint64_t work = 0;
  MonoMicros now = kMicrosPerSecond;
  EXPECT_EQ(Trims(keeper, work, now, 60, 0), 0) << "nothing was done";
  EXPECT_EQ(Trims(keeper, work, now, 60, 50 * kMiB), 0) << "not under load";
  EXPECT_EQ(Trims(keeper, work, now, MemoryKeeper::kRests - 1, 0), 0);
  EXPECT_EQ(Trims(keeper, work, now, 60, 0), 1);
  EXPECT_EQ(Trims(keeper, work, now, 10, kMiB), 0) << "too little to be worth it";
}

TEST(MemoryKeeperTest, ALightLoadThatNeverEndsIsTrimmedNowAndThen) {
  MemoryKeeper keeper;
  uint64_t work = 0;
  MonoMicros now = kMicrosPerSecond;
  const int trims = Trims(keeper, work, now, 320, kMiB / 2);
  EXPECT_EQ(trims, 10) << "each 16 MiB";
}

TEST(MemoryKeeperTest, LooksOftenAreOneLook) {
  MemoryKeeper keeper;
  ASSERT_FALSE(keeper.Look(100 * kMiB, kMicrosPerSecond));
  for (MonoMicros now = kMicrosPerSecond + 1; now < 2 * kMicrosPerSecond; now += 1000) {
    EXPECT_FALSE(keeper.Look(100 * kMiB, now));
  }
}

}  // namespace
}  // namespace cairn::server
