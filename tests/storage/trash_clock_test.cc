// TrashClock: what the wall clock says is believed only while it goes as time does.
#include "storage/trash_clock.h"

#include <gtest/gtest.h>

namespace cairn::storage {
namespace {

constexpr int64_t kHourUs = 3600 * kMicrosPerSecond;
constexpr int64_t kDayUs = 24 * kHourUs;

class TrashClockTest : public ::testing::Test {
 protected:
  void Pass(int64_t us) {
    mono_ += us;
    wall_ += us;
    clock_.Look(mono_, wall_);
  }
  void Jump(int64_t us) {
    wall_ += us;
    clock_.Look(mono_, wall_);
  }

  MonoMicros mono_ = kHourUs;
  WallMicros wall_ = 1'790'000'000 * kMicrosPerSecond;
  TrashClock clock_{kDayUs};
};

TEST_F(TrashClockTest, IsOverWhenTheTimeHasPassed) {
  Pass(0);
  const WallMicros removed_at = wall_;
  Pass(kDayUs - 1);
  EXPECT_FALSE(clock_.IsOver(removed_at));
  Pass(1);
  EXPECT_TRUE(clock_.IsOver(removed_at));
}

TEST_F(TrashClockTest, AJumpForwardDeletesNothing) {
  Pass(0);
  const WallMicros removed_at = wall_;
  Pass(kHourUs);
  Jump(400 * kDayUs);
  EXPECT_FALSE(clock_.IsOver(removed_at));
  Pass(kDayUs - 1);
  EXPECT_FALSE(clock_.IsOver(removed_at));
  Pass(1);
  EXPECT_TRUE(clock_.IsOver(removed_at));
}

// The removal was dated before the clock was set, by a process that has ended since.
TEST_F(TrashClockTest, AStartIsNoReasonToHurry) {
  const WallMicros removed_at = 5;
  Pass(0);
  EXPECT_FALSE(clock_.IsOver(removed_at));
  Pass(kHourUs);
  EXPECT_TRUE(clock_.IsOver(removed_at));
}

TEST_F(TrashClockTest, AJumpBackOnlyMakesItLast) {
  Pass(0);
  const WallMicros removed_at = wall_;
  Jump(-kDayUs);
  Pass(kDayUs);
  EXPECT_FALSE(clock_.IsOver(removed_at));
  Pass(kDayUs);
  EXPECT_TRUE(clock_.IsOver(removed_at));
}

// Clocks that are corrected little by little are trusted.
TEST_F(TrashClockTest, ASlewIsNoJump) {
  Pass(0);
  const WallMicros removed_at = wall_;
  for (int hour = 0; hour < 24; ++hour) {
    Pass(kHourUs);
    Jump(kMicrosPerSecond);
  }
  EXPECT_TRUE(clock_.IsOver(removed_at));
}

}  // namespace
}  // namespace cairn::storage
