// When a copy has come near enough to its source for the cut, and when it never will.
#include "adapter/redis/resharding/cut_judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace cairn::adapter::redis {
namespace {

using ::testing::HasSubstr;
using Verdict = CutJudge::Verdict;

constexpr int64_t kPatienceUs = 3 * kMicrosPerSecond;
constexpr uint64_t kMegabyte = 1'000'000;

CopyWork Keys(uint64_t keys, uint64_t bytes) { return {keys, bytes, "k", bytes / keys}; }
CopyWork OneKey(const std::string& key, uint64_t bytes) { return {1, bytes, key, bytes}; }
int64_t Ms(int64_t ms) { return ms * kMicrosPerMilli; }

// The verdict on the last of these rounds, and kCopyOn on all others.
Verdict OnRounds(CutJudge& judge, const CopyWork& work, const std::vector<int64_t>& ms) {
  for (size_t i = 0; i + 1 < ms.size(); ++i) {
    EXPECT_EQ(judge.Take(work, Ms(ms[i]), 0), Verdict::kCopyOn) << "round " << i;
  }
  return judge.Take(work, Ms(ms.back()), 0);
}

TEST(CutJudgeTest, LittleIsCutAtOnce) {
  CutJudge judge(kPatienceUs);
  EXPECT_EQ(judge.Take(Keys(50'000, 300 * kMegabyte), Ms(9'000), 0), Verdict::kCopyOn);
  EXPECT_EQ(judge.Take(Keys(200, kMegabyte), Ms(400), 0), Verdict::kCut);
  EXPECT_EQ(judge.Take(CopyWork(), Ms(1), 0), Verdict::kCut);
}

TEST(CutJudgeTest, AsLongAsRoundsGetShorterTheNextOneIsWaitedFor) {
  CutJudge judge(kPatienceUs);
  const CopyWork much = Keys(5'000, 50 * kMegabyte);
  EXPECT_EQ(OnRounds(judge, much, {60'000, 30'000, 15'000, 8'000, 4'000, 2'500, 1'900, 1'400}),
            Verdict::kCopyOn);
  EXPECT_EQ(OnRounds(judge, much, {1'350, 1'400, 1'300, 1'300}), Verdict::kCut)
      << "it stays like that, and half of the patience is enough";
}

TEST(CutJudgeTest, AKeyThatTakesTooLongIsNamed) {
  CutJudge judge(kPatienceUs);
  const CopyWork hot = OneKey("big\n", 214 * kMegabyte);
  EXPECT_EQ(OnRounds(judge, hot, {9'000, 8'200, 8'100, 8'100, 8'100, 8'100, 8'100, 8'100, 8'100}),
            Verdict::kHopeless);
  EXPECT_EQ(judge.why(),
            "key \"big\\n\" (slot 695, 214.0 MB) is written all the time and takes 8.1 s to copy, "
            "again and again, and calls may wait for 3.0 s: write it less or split it, or move its "
            "slot alone with --cut-timeout-ms 25000");
}

TEST(CutJudgeTest, SoIsTheAmountOfManyKeys) {
  CutJudge judge(kPatienceUs);
  const CopyWork many = Keys(400'000, 400 * kMegabyte);
  EXPECT_EQ(OnRounds(judge, many, std::vector<int64_t>(CutJudge::kLongRounds + 1, 6'000)),
            Verdict::kHopeless);
  EXPECT_THAT(judge.why(), HasSubstr("(400000 keys, 400.0 MB)"));
  EXPECT_THAT(judge.why(), HasSubstr("move fewer slots at a time"));
}

TEST(CutJudgeTest, OneRoundThatFitsBeginsTheCountAnew) {
  CutJudge judge(kPatienceUs);
  const CopyWork hot = OneKey("big", 60 * kMegabyte);
  EXPECT_EQ(OnRounds(judge, hot, {1'600, 1'600, 1'600, 1'600, 1'600, 1'600, 1'600, 1'490}),
            Verdict::kCut);
  EXPECT_EQ(OnRounds(judge, hot, std::vector<int64_t>(CutJudge::kLongRounds, 1'600)),
            Verdict::kHopeless);
}

TEST(CutJudgeTest, AfterACutThatWasWithdrawnClientsAreServedForAWhile) {
  CutJudge judge(kPatienceUs);
  MonoMicros now = 0;
  for (int cuts = 1; cuts < CutJudge::kMaxCuts; ++cuts) {
    ASSERT_EQ(judge.Take(CopyWork(), Ms(1), now), Verdict::kCut);
    judge.OnWithdrawn(now);
    EXPECT_EQ(judge.Take(CopyWork(), Ms(1), now + cuts * kPatienceUs - 1), Verdict::kCopyOn);
    now += cuts * kPatienceUs;
  }
  ASSERT_EQ(judge.Take(CopyWork(), Ms(1), now), Verdict::kCut);
  judge.OnWithdrawn(now);
  EXPECT_EQ(judge.Take(CopyWork(), Ms(1), now), Verdict::kHopeless);
  EXPECT_THAT(judge.why(), HasSubstr("5 times: try again"));
}

}  // namespace
}  // namespace cairn::adapter::redis
