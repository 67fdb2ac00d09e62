// What may follow what in the slot log, step by step.
#include "adapter/redis/resharding/move_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace cairn::adapter::redis {
namespace {

using ::testing::HasSubstr;

constexpr SlotRange kSlotsMoved{100, 199};
const SlotReign kSource{"c/1", Epoch(10)};
const SlotReign kTarget{"c/2", Epoch(20)};

SlotState Begun() { return *BeginMove(FirstSlots("c", 2), kSlotsMoved, "c/2", 5); }
// As by reigns that hold their leases.
std::optional<SlotState> Confirm(const SlotState& state, const SlotReign& source) {
  return Confirm(state, source, source.epoch);
}
std::optional<SlotState> Claim(const SlotState& state, const SlotReign& target) {
  return Claim(state, target, target.epoch);
}

SlotState Copying() { return *Claim(*Confirm(Begun(), kSource), kTarget); }
SlotState Ready() { return *Announce(Copying(), kTarget); }
SlotState Prepared() { return *Prepare(Ready(), kSource, Seq(77)); }
SlotState Moved() { return *Commit(Prepared(), kTarget); }
SlotState Aborting() { return *AbortMove(Prepared(), "for\na test"); }

TEST(SlotStateTest, IsReadBackFromItsText) {
  SlotState joined = *AddLog(*Clean(Moved(), kSource), "c/3");
  for (const SlotState& state : {FirstSlots("c", 3), Begun(), Copying(), Ready(), Prepared(),
                                 Moved(), Aborting(), *Clean(Aborting(), kTarget), joined}) {
    const auto again = ReadSlotState(EncodeSlotState(state));
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(*again, state) << EncodeSlotState(state);
  }
  EXPECT_EQ(EncodeSlotState(Prepared()),
            "v2 made=2 logs=c/1,c/2 0-8191=c/1 8192-16383=c/2 move=1 slots=100-199 from=c/1 to=c/2 "
            "phase=prepared source=10 target=20 through=77 since=5 last=0 how=aborted why=");
  const SlotState patient = *BeginMove(FirstSlots("c", 2), kSlotsMoved, "c/2", 5, 20'000);
  EXPECT_EQ(*ReadSlotState(EncodeSlotState(patient)), patient);
  EXPECT_THAT(EncodeSlotState(patient), HasSubstr(" since=5 cut=20000 last=0"));
}

TEST(SlotStateTest, ReadsMapsOfCachesInWhichNothingWasMoved) {
  const auto state = ReadSlotState("v1 0-99=b 100-16383=a");
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(state->logs, (std::vector<std::string>{"b", "a"}));
  EXPECT_EQ(state->made, 2u);
}

TEST(SlotStateTest, WhatIsCutOffOrStrangeIsNone) {
  const std::string text = EncodeSlotState(Prepared());
  for (size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(ReadSlotState(text.substr(0, size)).ok()) << text.substr(0, size);
  }
  for (const std::string wrong : {"v2 made=1 logs=a 0-16383=b last=0 how=moved why=",
                                  "v3 0-16383=a", "v2 made=1 logs= 0-16383=a last=0 how=moved why=",
                                  "v2 made=1 logs=a 0-16383=a last=0 how=lost why="}) {
    EXPECT_FALSE(ReadSlotState(wrong).ok()) << wrong;
  }
}

TEST(SlotMapTest, GivenSlotsArePutTogetherWithTheirNeighbours) {
  const SlotMap map = EvenSlots("c", 2);
  EXPECT_EQ(ShareText(GiveSlots(map, {100, 199}, "c/2")),
            " 0-99=c/1 100-199=c/2 200-8191=c/1 8192-16383=c/2");
  EXPECT_EQ(ShareText(GiveSlots(map, {8000, 8191}, "c/2")), " 0-7999=c/1 8000-16383=c/2");
  EXPECT_EQ(ShareText(GiveSlots(map, {0, 8191}, "c/2")), " 0-16383=c/2");
  const SlotMap apart = GiveSlots(map, {100, 199}, "c/2");
  EXPECT_EQ(GiveSlots(apart, {100, 199}, "c/1"), map);
  EXPECT_EQ(SlotsOf(apart, "c/2"), (SlotRanges{{100, 199}, {8192, 16383}}));
  EXPECT_EQ(OwnerOf(apart, {150, 160}), "c/2");
  EXPECT_EQ(OwnerOf(apart, {150, 200}), std::nullopt);
}

TEST(MoveRulesTest, OneMoveFromItsBeginningToItsEnd) {
  EXPECT_EQ(DutyOf(Begun(), kSource), MoveDuty::kConfirm);
  EXPECT_EQ(DutyOf(Begun(), kTarget), MoveDuty::kClaim);
  EXPECT_EQ(DutyOf(Copying(), kSource), MoveDuty::kNothing);
  EXPECT_EQ(DutyOf(Copying(), kTarget), MoveDuty::kCopy);
  EXPECT_EQ(DutyOf(Ready(), kSource), MoveDuty::kPrepare);
  EXPECT_EQ(DutyOf(Ready(), kTarget), MoveDuty::kCopy);
  EXPECT_EQ(DutyOf(Prepared(), kSource), MoveDuty::kAwait);
  EXPECT_EQ(DutyOf(Prepared(), kTarget), MoveDuty::kCommit);
  EXPECT_EQ(OwnerOf(Prepared().shares, kSlotsMoved), "c/1");
  EXPECT_EQ(OwnerOf(Moved().shares, kSlotsMoved), "c/2");
  EXPECT_EQ(DutyOf(Moved(), kSource), MoveDuty::kCleanSource);
  EXPECT_EQ(DutyOf(Moved(), kTarget), MoveDuty::kNothing);
  const SlotState over = *Clean(Moved(), kSource);
  EXPECT_FALSE(over.move.has_value());
  EXPECT_TRUE(over.last_moved);
  EXPECT_EQ(over.last_move, 1u);
  EXPECT_EQ(BeginMove(over, kSlotsMoved, "c/1", 6)->move->number, 2u);
}

TEST(MoveRulesTest, OnlyThePreparedHoldSlotsBack) {
  EXPECT_EQ(HeldBack(Prepared(), "c/1"), SlotRanges{kSlotsMoved});
  EXPECT_EQ(HeldBack(Prepared(), "c/2"), SlotRanges{kSlotsMoved});
  EXPECT_TRUE(HeldBack(Prepared(), "c/3").empty());
  for (const SlotState& state : {FirstSlots("c", 2), Copying(), Ready(), Moved(), Aborting()}) {
    EXPECT_TRUE(HeldBack(state, "c/1").empty());
  }
}

TEST(MoveRulesTest, ANewReignOfEitherSideVoidsWhatTheOldOnePrepared) {
  const SlotReign source{"c/1", Epoch(11)};
  const SlotReign target{"c/2", Epoch(21)};
  for (const SlotState& state : {Ready(), Prepared()}) {
    EXPECT_EQ(DutyOf(state, source), MoveDuty::kConfirm);
    EXPECT_EQ(DutyOf(state, target), MoveDuty::kClaim);
    for (const auto& next : {Confirm(state, source), Claim(state, target)}) {
      ASSERT_TRUE(next.has_value());
      EXPECT_EQ(next->move->phase, MovePhase::kCopying);
      EXPECT_EQ(next->move->through, Seq());
    }
    const SlotState confirmed = *Confirm(state, source);
    EXPECT_EQ(DutyOf(confirmed, kSource), MoveDuty::kNothing) << "the old reign has no say";
    EXPECT_EQ(Confirm(confirmed, kSource), std::nullopt);
    const SlotState claimed = *Claim(state, target);
    EXPECT_EQ(DutyOf(claimed, kTarget), MoveDuty::kNothing);
    EXPECT_EQ(Claim(claimed, kTarget), std::nullopt);
    EXPECT_EQ(Announce(claimed, kTarget), std::nullopt);
  }
  EXPECT_EQ(Commit(*Confirm(Prepared(), source), kTarget), std::nullopt);
  EXPECT_EQ(Prepare(*Confirm(Ready(), source), source, Seq(80)), std::nullopt)
      << "the target has to announce it anew";
}

TEST(MoveRulesTest, WhoHasLostTheLeaseDoesNotTakePart) {
  for (const Epoch in_force : {Epoch(), Epoch(9), Epoch(11), Epoch(21)}) {
    EXPECT_EQ(Confirm(Begun(), kSource, in_force), std::nullopt);
    EXPECT_EQ(Claim(Begun(), kTarget, in_force), std::nullopt);
  }
}

// Behind `cairn recover` the logs of data may be older than that of the slots.
TEST(MoveRulesTest, ReignsOlderThanTheRecordDoNothingUntilTheMoveIsTakenBack) {
  const SlotReign source{"c/1", Epoch(5)};
  const SlotReign target{"c/2", Epoch(6)};
  for (const SlotState& state : {Copying(), Ready(), Prepared()}) {
    EXPECT_EQ(DutyOf(state, source), MoveDuty::kNothing);
    EXPECT_EQ(DutyOf(state, target), MoveDuty::kNothing);
    const SlotState aborting = *AbortMove(state, "");
    EXPECT_TRUE(HeldBack(aborting, "c/1").empty());
    ASSERT_EQ(DutyOf(aborting, target), MoveDuty::kCleanTarget);
    const SlotState over = *Clean(aborting, target);
    const SlotState again = *BeginMove(over, kSlotsMoved, "c/2", 7);
    EXPECT_EQ(DutyOf(again, source), MoveDuty::kConfirm);
    EXPECT_EQ(DutyOf(again, target), MoveDuty::kClaim);
  }
}

TEST(MoveRulesTest, NobodySpeaksForTheOtherSideOrOutOfTurn) {
  EXPECT_EQ(Confirm(Begun(), kTarget), std::nullopt);
  EXPECT_EQ(Claim(Begun(), kSource), std::nullopt);
  EXPECT_EQ(Announce(*Claim(Begun(), kTarget), kTarget), std::nullopt)
      << "the source does not know of the move";
  EXPECT_EQ(Prepare(Copying(), kSource, Seq(1)), std::nullopt);
  EXPECT_EQ(Prepare(Ready(), kTarget, Seq(1)), std::nullopt);
  EXPECT_EQ(Commit(Ready(), kTarget), std::nullopt);
  EXPECT_EQ(Commit(Prepared(), kSource), std::nullopt);
  EXPECT_EQ(Withdraw(Ready(), kSource), std::nullopt);
  EXPECT_EQ(Clean(Prepared(), kSource), std::nullopt);
  EXPECT_EQ(Clean(Moved(), kTarget), std::nullopt);
  EXPECT_EQ(Clean(Aborting(), kSource), std::nullopt);
  const SlotReign other{"c/3", Epoch(99)};
  EXPECT_EQ(DutyOf(Prepared(), other), MoveDuty::kNothing);
}

TEST(MoveRulesTest, AMoveIsTakenBackUntilItIsDecided) {
  EXPECT_EQ(Aborting().why, "for a test");
  EXPECT_EQ(DutyOf(Aborting(), kTarget), MoveDuty::kCleanTarget);
  EXPECT_EQ(DutyOf(Aborting(), kSource), MoveDuty::kNothing);
  const SlotState over = *Clean(Aborting(), kTarget);
  EXPECT_FALSE(over.last_moved);
  EXPECT_EQ(over.why, "for a test");
  EXPECT_EQ(OwnerOf(over.shares, kSlotsMoved), "c/1");
  EXPECT_THAT(AbortMove(Moved(), "").status().message(), HasSubstr("is decided"));
  EXPECT_THAT(AbortMove(Aborting(), "").status().message(), HasSubstr("already"));
  EXPECT_EQ(AbortMove(over, "").status().code(), absl::StatusCode::kNotFound);
}

TEST(MoveRulesTest, RefusalsSayWhatToDo) {
  const SlotState state = FirstSlots("c", 2);
  EXPECT_THAT(BeginMove(state, {0, 16384}, "c/2", 0).status().message(), HasSubstr("0 … 16383"));
  EXPECT_THAT(BeginMove(state, {0, 9}, "c/3", 0).status().message(), HasSubstr("--shard 3/3"));
  EXPECT_THAT(BeginMove(state, {0, 9}, "c/1", 0).status().message(), HasSubstr("already"));
  EXPECT_THAT(BeginMove(state, {0, 9000}, "c/2", 0).status().message(), HasSubstr("one by one"));
  EXPECT_THAT(BeginMove(Begun(), {0, 9}, "c/2", 0).status().message(), HasSubstr("--abort"));
}

}  // namespace
}  // namespace cairn::adapter::redis
