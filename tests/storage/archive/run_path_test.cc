#include "storage/archive/run_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace cairn::archive {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Chains are numbers here; a run is 100 µs long for each record.
StoredRun Stored(uint64_t first, uint64_t last, uint64_t before, uint64_t chain) {
  StoredRun run;
  run.name = {.first_seq = Seq(first),
              .last_seq = Seq(last),
              .chain_before = before,
              .chain = chain,
              .timestamp_us = static_cast<int64_t>(last) * 100};
  run.key = run.name.File();
  return run;
}

std::vector<uint64_t> Firsts(const RunPath& path) {
  std::vector<uint64_t> firsts;
  for (const StoredRun& run : path.runs()) firsts.push_back(run.name.first_seq.value());
  return firsts;
}

TEST(RunPathTest, RunsThatFollowEachOther) {
  const RunPath path({Stored(1, 10, 0, 10), Stored(11, 25, 10, 25), Stored(26, 30, 25, 30)},
                     std::nullopt);
  EXPECT_THAT(Firsts(path), ElementsAre(1, 11, 26));
  EXPECT_THAT(path.gaps(), IsEmpty());
  EXPECT_EQ(path.last_seq(), Seq(30));
  EXPECT_EQ(path.FirstUnbroken()->name.first_seq, Seq(1));
  EXPECT_EQ(path.Find(Seq(10))->name.first_seq, Seq(1));
  EXPECT_EQ(path.Find(Seq(11))->name.first_seq, Seq(11));
  EXPECT_EQ(path.Find(Seq(31)), nullptr);
}

TEST(RunPathTest, WhatADeposedLeaderLeftLeadsNowhere) {
  // It stored 11 … 25, and the next leader began at 11 too.
  std::vector<StoredRun> runs = {Stored(1, 10, 0, 10), Stored(11, 25, 10, 25),
                                 Stored(11, 40, 10, 40), Stored(41, 50, 40, 50)};
  const RunPath path(runs, std::nullopt);
  EXPECT_THAT(Firsts(path), ElementsAre(1, 11, 41));
  EXPECT_EQ(path.Find(Seq(11))->name.last_seq, Seq(40));
  EXPECT_EQ(path.dead_ends(), 1u);
  // In whatever order a store lists them.
  std::reverse(runs.begin(), runs.end());
  EXPECT_EQ(RunPath(runs, std::nullopt).Find(Seq(11))->name.last_seq, Seq(40));
}

TEST(RunPathTest, TheLogSaysWhichHistoryIsItsOwn) {
  // Up to 20 they are one; then one was given up, though it went further.
  const std::vector<StoredRun> runs = {Stored(1, 20, 0, 20), Stored(21, 90, 20, 99),
                                       Stored(21, 30, 20, 30)};
  const RunPath path(runs, RunPath::End{Seq(30), 30});
  EXPECT_THAT(Firsts(path), ElementsAre(1, 21));
  EXPECT_EQ(path.last_seq(), Seq(30));
  // Who does not ask it, takes the one with the newest record.
  std::vector<StoredRun> given_up = runs;
  given_up[2].name.timestamp_us = given_up[1].name.timestamp_us + 1;
  EXPECT_EQ(RunPath(given_up, std::nullopt).last_seq(), Seq(30));
}

TEST(RunPathTest, WhatIsMissingIsAGap) {
  const std::vector<StoredRun> all = {Stored(1, 10, 0, 10), Stored(11, 20, 10, 20),
                                      Stored(21, 30, 20, 30)};
  const RunPath::End end{Seq(30), 30};
  const RunPath middle({all[0], all[2]}, end);
  EXPECT_THAT(middle.gaps(), ElementsAre(Gap{Seq(11), Seq(20)}));
  EXPECT_THAT(Firsts(middle), ElementsAre(1, 21));
  EXPECT_EQ(middle.Find(Seq(11)), nullptr);
  EXPECT_EQ(middle.FirstUnbroken()->name.first_seq, Seq(21));
  const RunPath last({all[0], all[1]}, end);
  EXPECT_THAT(last.gaps(), ElementsAre(Gap{Seq(21), Seq(30)}));
  EXPECT_EQ(last.FirstUnbroken(), nullptr);
  // The beginning may be trimmed by the operator: then the log begins later.
  const RunPath first({all[1], all[2]}, end);
  EXPECT_THAT(first.gaps(), IsEmpty());
  EXPECT_EQ(first.FirstUnbroken()->name.first_seq, Seq(11));
  EXPECT_THAT(RunPath({}, end).runs(), IsEmpty());
  EXPECT_THAT(RunPath({}, std::nullopt).gaps(), IsEmpty());
}

TEST(RunPathTest, ADeadEndFillsAGapAsFarAsItReaches) {
  const RunPath path({Stored(1, 10, 0, 10), Stored(11, 15, 10, 15), Stored(21, 30, 20, 30)},
                     RunPath::End{Seq(30), 30});
  EXPECT_THAT(Firsts(path), ElementsAre(1, 11, 21));
  EXPECT_THAT(path.gaps(), ElementsAre(Gap{Seq(16), Seq(20)}));
}

TEST(RunPathTest, AnotherChainIsNotTheLogs) {
  const RunPath path({Stored(1, 10, 0, 11), Stored(11, 20, 10, 20)}, RunPath::End{Seq(20), 20});
  EXPECT_THAT(Firsts(path), ElementsAre(11)) << "what ends there ends on another chain";
}

TEST(RunPathTest, ATimeIsInTheFirstRunThatReachesIt) {
  const RunPath path({Stored(1, 10, 0, 10), Stored(11, 20, 10, 20)}, std::nullopt);
  EXPECT_EQ(path.FindTime(0)->name.first_seq, Seq(1));
  EXPECT_EQ(path.FindTime(1000)->name.first_seq, Seq(1));
  EXPECT_EQ(path.FindTime(1001)->name.first_seq, Seq(11));
  EXPECT_EQ(path.FindTime(2001), nullptr);
}

}  // namespace
}  // namespace cairn::archive
