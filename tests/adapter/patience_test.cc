// Failures are borne for as long, and as often, as was said.
#include "adapter/redis/resharding/patience.h"

#include <gtest/gtest.h>

namespace cairn::adapter::redis {
namespace {

TEST(PatienceTest, EndsWhenBothTheTriesAndTheTimeAreUp) {
  Patience patience({.tries = 3, .time_us = 100});
  EXPECT_TRUE(patience.Bears(1000));
  EXPECT_TRUE(patience.Bears(5000)) << "a try may take longer than the time";
  EXPECT_FALSE(patience.Bears(5001));
}

TEST(PatienceTest, ManyFailuresInAMomentAreNotTheEnd) {
  Patience patience({.tries = 3, .time_us = 100});
  for (MonoMicros now = 1000; now < 1100; ++now) EXPECT_TRUE(patience.Bears(now)) << now;
  EXPECT_FALSE(patience.Bears(1100));
}

TEST(PatienceTest, ASuccessBeginsAnew) {
  Patience patience({.tries = 2});
  EXPECT_TRUE(patience.Bears(1));
  patience.Reset();
  EXPECT_TRUE(patience.Bears(2));
  EXPECT_FALSE(patience.Bears(2)) << "without a time, the tries alone count";
}

}  // namespace
}  // namespace cairn::adapter::redis
