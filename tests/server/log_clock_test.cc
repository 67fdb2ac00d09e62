#include "server/log_clock.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace cairn::server {
namespace {

TEST(LogClockTest, FollowsMonotonicTimeAndApproachesWallTime) {
  struct Case {
    const char* name;
    int64_t previous_us;
    int64_t elapsed_us;
    int64_t wall_us;
    int64_t want_us;
  };
  const Case cases[] = {
      {"in step with the wall clock", 1000, 50, 1050, 1050},
      {"a little ahead of the wall clock: slows down", 1000, 50, 1030, 1030},
      {"a little behind it: runs faster", 1000, 50, 1080, 1080},
      {"the wall clock jumped forward: double speed, not more", 1000, 50, 9000, 1100},
      {"the wall clock jumped back: stands still", 1000, 50, 10, 1000},
      {"no time has passed: neither does log time", 1000, 0, 9000, 1000},
      {"the monotonic clock is another machine's and behind: stands still", 1000, -70, 9000, 1000},
      {"the first entry takes wall time", 0, 50, 777, 777},
      {"but never a negative one", 0, 50, -5, 0},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    LogClock clock;
    clock.Anchor(c.previous_us, /*mono=*/500);
    EXPECT_EQ(clock.Read({.mono = 500 + c.elapsed_us, .wall = c.wall_us}), c.want_us);
  }
}

TEST(LogClockTest, EachStepIsWithinTwiceTheElapsedTime) {
  Random random(42);
  LogClock clock;
  int64_t mono = 10;
  int64_t previous = 1'000'000;
  clock.Anchor(previous, mono);
  for (int i = 0; i < 10'000; ++i) {
    const int64_t elapsed = random.Between(0, 1000);
    mono += elapsed;
    const int64_t now = clock.Read({.mono = mono, .wall = random.Between(0, 4'000'000)});
    ASSERT_GE(now, previous);
    ASSERT_LE(now, previous + 2 * elapsed);
    clock.Anchor(now, mono);
    previous = now;
  }
}

TEST(LogClockTest, CatchesUpWithAWallClockAheadInAsMuchTimeAsItIsBehind) {
  LogClock clock;
  clock.Anchor(1'000'000, 0);
  EXPECT_EQ(clock.Read({.mono = 300, .wall = 1'000'600}), 1'000'600);
  EXPECT_LT(clock.Read({.mono = 299, .wall = 1'000'600}), 1'000'600);
}

}  // namespace
}  // namespace cairn::server
