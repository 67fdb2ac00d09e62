// The stages of appends, by a clock that the test moves.
#include "server/append_ledger.h"

#include <gtest/gtest.h>

namespace cairn::server {
namespace {

// Appends that were counted in a stage, and how long they took together.
uint64_t Counted(const TurnTally& tally, Stage stage) {
  uint64_t sum = 0;
  for (const uint64_t count : tally.stages[static_cast<size_t>(stage)].counts) sum += count;
  return sum;
}
MonoMicros Took(const TurnTally& tally, Stage stage) {
  return tally.stages[static_cast<size_t>(stage)].sum_us;
}

TEST(LatencyTallyTest, ABucketHasItsUpperBound) {
  struct Case {
    MonoMicros us;
    size_t bucket;
  };
  const Case cases[] = {{-5, 0},  {0, 0},   {50, 0},         {51, 1},         {100, 1},
                        {101, 2}, {200, 2}, {6'553'600, 17}, {6'553'601, 18}, {1ll << 60, 18}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.us);
    LatencyTally tally;
    tally.Add(c.us, 3);
    EXPECT_EQ(tally.counts[c.bucket], 3u);
  }
}

TEST(MarginTallyTest, ABucketHasItsUpperBound) {
  struct Case {
    uint64_t left_ms;
    size_t bucket;
  };
  const Case cases[] = {{0, 0}, {1, 0}, {200, 0}, {201, 1}, {400, 1}, {2000, 9}, {9999, 9}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.left_ms);
    MarginTally tally;
    tally.Add(c.left_ms, 2000);
    EXPECT_EQ(tally.counts[c.bucket], 1u);
  }
  MarginTally none;
  none.Add(5, 0);
  EXPECT_EQ(none.sum, 0);
}

TEST(AppendLedgerTest, AnEntrysStagesAreCountedForEachOfItsAppends) {
  AppendLedger ledger;
  TurnTally tally;
  ledger.OnProposed(Index(5), 3, 1'000);
  ledger.OnHandedOut(1'010);
  ledger.OnReplicated(Index(5), 1'300);
  ledger.OnDurable(Index(5), 1'900);
  ledger.Settle(tally);
  EXPECT_EQ(Counted(tally, Stage::kSync), 0u);  // Not committed yet.
  ledger.OnCommitted(Index(5), 1'950);
  ledger.Settle(tally);
  EXPECT_TRUE(ledger.empty());
  EXPECT_EQ(Counted(tally, Stage::kEvaluate), 3u);
  EXPECT_EQ(Took(tally, Stage::kEvaluate), 3 * 10);
  EXPECT_EQ(Took(tally, Stage::kSync), 3 * 890);
  EXPECT_EQ(Took(tally, Stage::kReplicate), 3 * 290);
}

TEST(AppendLedgerTest, AMomentIsThatOfTheFirstNews) {
  AppendLedger ledger;
  ledger.OnProposed(Index(5), 1, 100);
  ledger.OnHandedOut(110);
  ledger.OnHandedOut(115);
  ledger.OnProposed(Index(6), 1, 120);
  ledger.OnHandedOut(130);
  ledger.OnReplicated(Index(5), 200);
  ledger.OnReplicated(Index(6), 300);
  AppendTimes first{.index = Index(5)};
  ledger.FillIn(first);
  EXPECT_EQ(first.handed, 110);
  EXPECT_EQ(first.replicated, 200);
  AppendTimes second{.index = Index(6)};
  ledger.FillIn(second);
  EXPECT_EQ(second.handed, 130);
  EXPECT_EQ(second.replicated, 300);
  EXPECT_EQ(second.durable, 0);
}

TEST(AppendLedgerTest, ALogOfOneReplicaHasNoReplication) {
  AppendLedger ledger;
  TurnTally tally;
  ledger.OnProposed(Index(5), 1, 100);
  ledger.OnHandedOut(110);
  ledger.OnDurable(Index(5), 200);
  ledger.OnCommitted(Index(5), 210);
  ledger.Settle(tally);
  EXPECT_EQ(Counted(tally, Stage::kSync), 1u);
  EXPECT_EQ(Counted(tally, Stage::kReplicate), 0u);
}

// Both followers have it before this node's own disk: the sync is counted when it is over.
TEST(AppendLedgerTest, ASlowDiskIsCountedAfterTheAnswer) {
  AppendLedger ledger;
  TurnTally tally;
  ledger.OnProposed(Index(5), 1, 100);
  ledger.OnHandedOut(110);
  ledger.OnReplicated(Index(5), 150);
  ledger.OnCommitted(Index(5), 160);
  ledger.Settle(tally);
  EXPECT_EQ(Counted(tally, Stage::kSync), 0u);
  ledger.OnDurable(Index(5), 5'110);
  ledger.Settle(tally);
  EXPECT_EQ(Took(tally, Stage::kSync), 5'000);
}

TEST(AppendLedgerTest, AfterAReignWhatWasKnownIsToldAndNothingCounted) {
  AppendLedger ledger;
  TurnTally tally;
  ledger.OnProposed(Index(5), 1, 100);
  ledger.OnHandedOut(110);
  ledger.OnDurable(Index(5), 200);
  ledger.EndReign();
  ledger.OnReplicated(Index(5), 300);
  ledger.OnCommitted(Index(5), 400);
  ledger.Settle(tally);
  EXPECT_EQ(Counted(tally, Stage::kSync), 0u);
  AppendTimes times{.index = Index(5)};
  ledger.FillIn(times);
  EXPECT_EQ(times.durable, 200);
  EXPECT_EQ(times.replicated, 0);
  ledger.BeginReign();
  EXPECT_TRUE(ledger.empty());
  ledger.OnProposed(Index(5), 1, 500);  // The old entry was replaced.
}

TEST(AppendLedgerTest, TheStagesOfAnAnswerAddUpToItsTime) {
  AppendTimes times;
  times.arrived = 1'000;
  times.taken = 1'100;
  times.judged = 1'400;
  times.handed = 1'450;
  times.committed = 3'000;
  times.answered = 3'007;
  TurnTally tally;
  CountAnswered(times, tally);
  EXPECT_EQ(Took(tally, Stage::kQueue), 100);
  EXPECT_EQ(Took(tally, Stage::kGather), 300);
  EXPECT_EQ(Took(tally, Stage::kCommit), 1'550);
  EXPECT_EQ(Took(tally, Stage::kApply), 7);
  const AppendTimes unmeasured;
  CountAnswered(unmeasured, tally);
  EXPECT_EQ(Counted(tally, Stage::kQueue), 1u);
}

}  // namespace
}  // namespace cairn::server
