// Simulated clusters in the test suite: a few seeds of each size, and the meta run.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/mark.h"
#include "tests/sim/member_world.h"
#include "tests/sim/world.h"

namespace cairn::sim {
namespace {

Result RunSeed(uint64_t seed, int nodes, int seconds = 5) {
  World world(seed, Faults::FromSeed(seed, nodes));
  return world.Run(seconds * kMicrosPerSecond);
}

std::string Explain(const Result& result, int nodes, int seconds = 5) {
  std::string out = fmt::format("replay with: cairn-sim --replay {} --nodes {} --seconds {}\n",
                                result.seed, nodes, seconds);
  for (const std::string& line : result.story) out += line + "\n";
  return out;
}

class Seeds : public testing::TestWithParam<uint64_t> {};

TEST_P(Seeds, ThreeNodesKeepEveryPromise) {
  for (uint64_t seed = GetParam(); seed < GetParam() + 20; ++seed) {
    const Result result = RunSeed(seed, 3);
    EXPECT_TRUE(result.violations.empty()) << Explain(result, 3);
    EXPECT_GT(result.operations, 0u) << Explain(result, 3);
  }
}

TEST_P(Seeds, FiveNodesKeepEveryPromise) {
  for (uint64_t seed = GetParam(); seed < GetParam() + 8; ++seed) {
    const Result result = RunSeed(seed, 5);
    EXPECT_TRUE(result.violations.empty()) << Explain(result, 5);
  }
}

INSTANTIATE_TEST_SUITE_P(Batches, Seeds, testing::Values(1000, 2000, 3000, 4000));

TEST(MembersTest, ComeAndGoWithoutBreakingAPromise) {
  MemberCounts counts;
  const uint64_t slept = Hits(Mark::kFellAsleep);
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    MemberWorld world(seed, Faults::FromSeed(seed, 3));
    const Result result = world.Run(8 * kMicrosPerSecond);
    EXPECT_TRUE(result.violations.empty())
        << "replay with: cairn-sim --members --seconds 8 --replay " << seed << "\n"
        << Explain(result, 3, 8);
    EXPECT_GT(result.operations, 0u);
    counts.joins += world.counts().joins;
    counts.removals += world.counts().removals;
    counts.runs += world.counts().runs;
  }
  EXPECT_GT(counts.joins, 0u);
  EXPECT_GT(counts.removals, 0u);
  EXPECT_GT(counts.runs, 0u);
  EXPECT_GT(Hits(Mark::kFellAsleep), slept);
}

// Wrong entries, in memory, on the way and on disks: found, blamed on the right node, refilled.
TEST(DamageTest, IsFoundAndRepaired) {
  uint64_t refills = 0;
  uint64_t suspects = 0;
  uint64_t bit_flips = 0;
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    Faults faults;  // Nothing else, so that they happen often.
    faults.damage = true;
    faults.crashes = true;
    faults.bit_flips = true;
    const Result result = World(seed, faults).Run(10 * kMicrosPerSecond);
    EXPECT_TRUE(result.violations.empty()) << "seed " << seed << "\n" << Explain(result, 3, 10);
    refills += result.logs.refills;
    suspects += result.logs.suspects;
    bit_flips += result.chaos.bit_flips;
  }
  EXPECT_GT(refills, 0u);
  EXPECT_GT(suspects, 0u);
  EXPECT_GT(bit_flips, 0u);
}

TEST(MetaTest, TheSameSeedGivesTheSameTrace) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    const Result first = RunSeed(seed, 3);
    const Result second = RunSeed(seed, 3);
    EXPECT_EQ(first.trace_hash, second.trace_hash) << "seed " << seed;
    EXPECT_EQ(first.turns, second.turns) << "seed " << seed;
  }
  EXPECT_NE(RunSeed(1, 3).trace_hash, RunSeed(2, 3).trace_hash);
}

// Also where threads of nodes block: seeds that sleep, that archive, and that do both.
TEST(MetaTest, TheSameSeedGivesTheSameStoryOfMembers) {
  for (const uint64_t seed : {2, 3, 6}) {
    const auto run = [seed] {
      return MemberWorld(seed, Faults::FromSeed(seed, 3)).Run(5 * kMicrosPerSecond);
    };
    const Result first = run();
    const Result second = run();
    EXPECT_EQ(first.turns, second.turns) << "seed " << seed;
    EXPECT_EQ(first.story, second.story) << "seed " << seed;
  }
}

}  // namespace
}  // namespace cairn::sim
