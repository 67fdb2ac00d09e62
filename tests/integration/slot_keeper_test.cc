// Moves of slots in which something never ends, or fails for long: they go on when it ends, or are
// taken back with a reason; clients are held up no longer than was said.
#include "adapter/redis/resharding/slot_keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "adapter/redis/resharding/move_rules.h"
#include "tests/integration/slot_keeper_lab.h"

namespace cairn::integration {
namespace {

using adapter::redis::Claim;
using adapter::redis::MovePhase;
using adapter::redis::SlotReign;
using adapter::redis::SlotState;
using adapter::redis::TestEngine;
using ::testing::StartsWith;
using Commits = KeptLog::Commits;

constexpr int kQuietTries = 12;
const adapter::redis::SlotRanges kMoving = {{0, 4095}};

// ---- The source -------------------------------------------------------------------------------

// The target is played: it says that little is left.
class SlotSourceTest : public ::testing::Test {
 protected:
  void BeginReadyMove(uint32_t cut_ms = adapter::redis::kDefaultCutMs) {
    const SlotReign target{"cache/2", Epoch(7)};
    world_.BeginMove(cut_ms);
    world_.Say([&](const SlotState& state) { return Claim(state, target, target.epoch); });
    Announce();
  }
  // Behind the source's own word.
  void Announce() {
    const SlotReign target{"cache/2", Epoch(7)};
    world_.Say([&](const SlotState& state) { return adapter::redis::Announce(state, target); });
  }
  // Clients are held up, and let on again.
  void ExpectTry(int number) {
    ASSERT_TRUE(world_.Until([&] { return source_.drains() == number; }));
    ASSERT_TRUE(world_.Until([&] { return source_.held().empty(); }));
    EXPECT_EQ(source_.drains(), number) << "not again before the pause";
  }

  SlotWorld world_;
  KeptLog source_{&world_, "cache/1", {}};
};

TEST_F(SlotSourceTest, CallsThatNeverEndAreTriedSomeTimesAndThenEndTheMove) {
  source_.Reign();
  source_.drain_ends = false;
  BeginReadyMove();
  for (int i = 1; i <= kQuietTries; ++i) {
    ASSERT_NO_FATAL_FAILURE(ExpectTry(i));
    world_.Pass(absl::Seconds(5));
  }
  ASSERT_TRUE(world_.AwaitPhase(MovePhase::kAborting));
  EXPECT_THAT(world_.Slots().why, StartsWith("calls of the slots are with the source's engine"));
  EXPECT_TRUE(source_.held().empty());
}

TEST_F(SlotSourceTest, TheMoveGoesOnWhenTheyEnd) {
  source_.Reign();
  source_.drain_ends = false;
  BeginReadyMove();
  for (int i = 1; i < kQuietTries; ++i) {
    ASSERT_NO_FATAL_FAILURE(ExpectTry(i));
    world_.Pass(absl::Seconds(5));
  }
  source_.drain_ends = true;
  ASSERT_TRUE(world_.AwaitPhase(MovePhase::kPrepared));
  EXPECT_FALSE(source_.held().empty());
}

TEST_F(SlotSourceTest, TriesOfAMoveThatWasTakenBackDoNotCountForTheNext) {
  source_.Reign();
  source_.drain_ends = false;
  BeginReadyMove();
  for (int i = 1; i < kQuietTries; ++i) {
    ASSERT_NO_FATAL_FAILURE(ExpectTry(i));
    if (i + 1 < kQuietTries) world_.Pass(absl::Seconds(5));
  }
  world_.Abort();
  world_.Say([](const SlotState& state) {
    return adapter::redis::Clean(state, {"cache/2", Epoch(7)});
  });
  BeginReadyMove();
  ASSERT_NO_FATAL_FAILURE(ExpectTry(kQuietTries));
  source_.drain_ends = true;
  world_.Pass(absl::Seconds(5));
  EXPECT_TRUE(world_.AwaitPhase(MovePhase::kPrepared)) << world_.Slots().why;
}

TEST_F(SlotSourceTest, NobodyIsHeldUpWhileTheLogStillDoesNotTakeTheLastWrites) {
  source_.Reign();
  source_.commit = Commits::kNever;
  BeginReadyMove(/*cut_ms=*/100);
  ASSERT_NO_FATAL_FAILURE(ExpectTry(1));
  world_.Pass(absl::Minutes(10));
  // The keeper looks at whatever comes.
  world_.Say([](const SlotState& state) -> absl::StatusOr<std::optional<SlotState>> {
    return AddLog(state, "cache/3");
  });
  ASSERT_TRUE(world_.Until([&] { return source_.logs() == 3; }));
  world_.engines().Drain();
  EXPECT_EQ(source_.drains(), 1);
  EXPECT_TRUE(source_.held().empty());
  source_.commit = Commits::kAtOnce;
  EXPECT_TRUE(world_.AwaitPhase(MovePhase::kPrepared));
}

TEST_F(SlotSourceTest, ALogThatFailsEachTimeEndsTheMove) {
  source_.Reign();
  source_.commit = Commits::kFail;
  BeginReadyMove();
  for (int i = 1; i <= kQuietTries; ++i) {
    ASSERT_NO_FATAL_FAILURE(ExpectTry(i));
    world_.Pass(absl::Seconds(5));
  }
  ASSERT_TRUE(world_.AwaitPhase(MovePhase::kAborting));
  EXPECT_EQ(world_.Slots().why, "the log is overloaded");
}

TEST_F(SlotSourceTest, ATargetThatDoesNotDecideIsWaitedForAsLongAsWasSaid) {
  source_.Reign();
  BeginReadyMove(/*cut_ms=*/60'000);
  ASSERT_TRUE(world_.AwaitPhase(MovePhase::kPrepared));
  // The engine goes and comes back: the slots are held as before, and the time goes on.
  for (int i = 0; i < 2; ++i) {
    source_.Reconnect();
    ASSERT_TRUE(world_.Until([&] { return source_.held() == kMoving; }));
    world_.Pass(absl::Seconds(29));
  }
  world_.engines().Drain();
  EXPECT_EQ(source_.counts().withdrawn, 0u);
  EXPECT_EQ(source_.held(), kMoving);
  world_.Pass(absl::Seconds(2));
  ASSERT_TRUE(world_.AwaitPhase(MovePhase::kCopying));
  ASSERT_TRUE(world_.Until([&] { return source_.held().empty(); }));
  EXPECT_EQ(source_.counts().withdrawn, 1u);
  Announce();
  EXPECT_TRUE(world_.AwaitPhase(MovePhase::kPrepared)) << "the next cut";
}

// ---- The target -------------------------------------------------------------------------------

// The source is real, and has nothing to give: its calls end at once.
class SlotTargetTest : public ::testing::Test {
 protected:
  void SetUp() override {
    source_.Reign();
    target_ = std::make_unique<KeptLog>(&world_, "cache/2", KeptLog::Options{.engine = &engine_});
  }
  // Each copy begins anew, and asks the log once.
  void Fail(int times, absl::Duration each) {
    target_->commit = Commits::kFail;
    for (int i = 0; i < times; ++i) {
      const int before = target_->commits();
      ASSERT_TRUE(world_.Until([&] { return target_->commits() > before; }));
      world_.Pass(each);
    }
  }

  SlotWorld world_;
  TestEngine source_engine_{&world_.engines(), "s"};
  TestEngine engine_{&world_.engines(), "t"};
  KeptLog source_{&world_, "cache/1", {.engine = &source_engine_}};
  std::unique_ptr<KeptLog> target_;
};

TEST_F(SlotTargetTest, CopyingThatFailsForTenMinutesEndsTheMoveWithTheReason) {
  target_->Reign();
  world_.BeginMove();
  Fail(5, absl::Minutes(3));
  ASSERT_TRUE(world_.AwaitPhase(MovePhase::kAborting));
  EXPECT_EQ(world_.Slots().why, "nothing could be copied for 10 minutes: the log is overloaded");
  target_->commit = Commits::kAtOnce;
  ASSERT_TRUE(world_.AwaitOver()) << "what was copied is removed when that is possible again";
  EXPECT_FALSE(world_.Slots().last_moved);
  world_.BeginMove();
  ASSERT_TRUE(world_.AwaitOver());
  EXPECT_TRUE(world_.Slots().last_moved) << world_.Slots().why;
}

TEST_F(SlotTargetTest, TheMoveGoesOnWhenTheCauseHasGoneBefore) {
  target_->Reign();
  world_.BeginMove();
  Fail(9, absl::Minutes(1));
  target_->commit = Commits::kAtOnce;
  ASSERT_TRUE(world_.AwaitOver());
  EXPECT_TRUE(world_.Slots().last_moved) << world_.Slots().why;
}

// A copy of much data takes long; that one of them breaks off now and then is no reason.
TEST_F(SlotTargetTest, FewFailuresDoNotEndAMoveHoweverLongEachTakes) {
  target_->Reign();
  world_.BeginMove();
  Fail(3, absl::Hours(1));
  target_->commit = Commits::kAtOnce;
  ASSERT_TRUE(world_.AwaitOver());
  EXPECT_TRUE(world_.Slots().last_moved) << world_.Slots().why;
}

TEST_F(SlotTargetTest, ALogThatTakesNothingForLongIsWaitedFor) {
  target_->Reign();
  target_->commit = Commits::kNever;
  world_.BeginMove();
  ASSERT_TRUE(world_.Until([&] { return target_->commits() > 0; }));
  world_.Pass(absl::Minutes(30));
  EXPECT_TRUE(source_.held().empty()) << "clients do not wait for it";
  target_->commit = Commits::kAtOnce;
  ASSERT_TRUE(world_.AwaitOver());
  EXPECT_TRUE(world_.Slots().last_moved) << world_.Slots().why;
}

TEST_F(SlotTargetTest, AnAgentThatIsGoneForLongIsReplacedByTheNext) {
  target_->Reign();
  target_->commit = Commits::kNever;
  world_.BeginMove();
  ASSERT_TRUE(world_.Until([&] { return target_->commits() > 0; }));
  target_ = nullptr;
  world_.Pass(absl::Minutes(30));
  EXPECT_EQ(world_.Slots().move->phase, MovePhase::kCopying);
  EXPECT_TRUE(source_.held().empty());
  target_ = std::make_unique<KeptLog>(&world_, "cache/2", KeptLog::Options{.engine = &engine_});
  target_->Reign();
  ASSERT_TRUE(world_.AwaitOver());
  EXPECT_TRUE(world_.Slots().last_moved) << world_.Slots().why;
}

// Nobody waits for a copy that is of no use any more.
TEST_F(SlotTargetTest, ACopyEndsAtOnceWhenTheMoveIsTakenBack) {
  const KeptLog::Options options{.engine = &engine_,
                                 .throw_away = {"sh", "-c", "exec tail -f /dev/null"}};
  target_ = std::make_unique<KeptLog>(&world_, "cache/2", options);
  target_->Reign();
  world_.BeginMove();
  ASSERT_TRUE(world_.Until([&] { return target_->copies(); }));
  world_.Abort();
  ASSERT_TRUE(world_.AwaitOver());
  EXPECT_EQ(world_.Slots().why, "the test");
}

}  // namespace
}  // namespace cairn::integration
