// Random worlds: a seed decides what is delivered, lost, repeated, reordered, persisted,
// crashed, cut off, asked and changed. Safety is checked after every step; then the world is
// healed and has to agree and make progress.
#include <gtest/gtest.h>

#include <ostream>
#include <string>

#include "base/mark.h"
#include "tests/support/raft_world.h"

namespace cairn::consensus {
namespace {

struct Weather {
  const char* name;
  Faults faults;
  uint64_t seeds;
};

const Weather kWeathers[] = {
    {"Calm", {}, 100},
    {"Lossy", {.drop = 0.1, .repeat = 0.05, .reorder = true}, 1000},
    {"Crashing", {.drop = 0.02, .crash = 0.01, .trim = 0.01, .reorder = true}, 1000},
    {"Doubting", {.drop = 0.02, .crash = 0.008, .doubt = 0.5}, 500},
    {"Losing", {.drop = 0.02, .crash = 0.015, .doubt = 0.1, .lose = 0.8}, 2000},
    {"LosingFoul",
     {.drop = 0.05,
      .repeat = 0.1,
      .crash = 0.015,
      .cut = 0.01,
      .trim = 0.01,
      .doubt = 0.1,
      .lose = 0.8,
      .reorder = true},
     3000},
    {"Leased", {.drop = 0.05, .crash = 0.01, .cut = 0.02, .lease_reads = true}, 1500},
    {"LeasedFoul",
     {.drop = 0.05,
      .repeat = 0.05,
      .crash = 0.01,
      .cut = 0.02,
      .change = 0.02,
      .trim = 0.01,
      .doubt = 0.1,
      .reorder = true,
      .lease_reads = true},
     1500},
    {"Sleepy", {.drop = 0.02, .crash = 0.003, .hibernate_ticks = 2}, 500},
    {"SleepyFoul",
     {.drop = 0.02,
      .repeat = 0.05,
      .crash = 0.003,
      .cut = 0.01,
      .change = 0.005,
      .trim = 0.01,
      .reorder = true,
      .hibernate_ticks = 2},
     1500},
    {"Fetching",
     {.drop = 0.05,
      .repeat = 0.05,
      .crash = 0.008,
      .cut = 0.02,
      .change = 0.02,
      .trim = 0.01,
      .doubt = 0.1,
      .reorder = true,
      .run_entries = 2},
     1500},
    {"CutOff", {.drop = 0.02, .cut = 0.02, .trim = 0.01}, 500},
    {"Changing", {.drop = 0.02, .crash = 0.005, .cut = 0.02, .change = 0.05, .trim = 0.01}, 2000},
    {"Foul",
     {.drop = 0.1,
      .repeat = 0.05,
      .crash = 0.01,
      .cut = 0.02,
      .change = 0.02,
      .trim = 0.01,
      .doubt = 0.2,
      .reorder = true},
     1000},
};

void PrintTo(const Weather& weather, std::ostream* out) { *out << weather.name; }

class RaftRandomTest : public testing::TestWithParam<Weather> {};

TEST_P(RaftRandomTest, NobodyContradictsAnybody) {
  size_t committed = 0;
  size_t reads = 0;
  for (uint64_t seed = 1; seed <= GetParam().seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RaftWorld world(seed, 3 + seed % 3, GetParam().faults);
    world.Run(800);
    ASSERT_EQ(world.violation(), "");
    world.HealAndAgree();
    ASSERT_EQ(world.violation(), "");
    committed += world.committed();
    reads += world.reads();
  }
  // A world in which nothing happens proves nothing.
  EXPECT_GT(committed, GetParam().seeds * 5);
  EXPECT_GT(reads, GetParam().seeds);
  if (GetParam().faults.run_entries > 0) {
    EXPECT_GT(Hits(Mark::kRunOffered), GetParam().seeds / 10);
  }
  if (GetParam().faults.hibernate_ticks > 0) {
    EXPECT_GT(Hits(Mark::kFellAsleep), 0u);
    EXPECT_GT(Hits(Mark::kWokenBySilence), 0u);
    EXPECT_GT(Hits(Mark::kWokenByItself), 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(Weathers, RaftRandomTest, testing::ValuesIn(kWeathers),
                         [](const auto& weather) { return std::string(weather.param.name); });

}  // namespace
}  // namespace cairn::consensus
