// Role machines in random worlds; see role_world.h. A seed decides everything.
//   CAIRN_ROLE_SEED=N    runs that world alone.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "tests/adapter/role_world.h"

namespace cairn::adapter {
namespace {

constexpr uint64_t kSeeds = 1000;

struct Totals {
  uint64_t acknowledged = 0;
  uint64_t reigns = 0;
  uint64_t continued = 0;
  uint64_t handed_over = 0;
};

void RunWorld(uint64_t seed, Totals& totals) {
  const int agents = 1 + static_cast<int>(seed % 4);
  RoleWorld world(seed, agents);
  world.Run(20 * kMicrosPerSecond, /*faults=*/true);
  world.Heal();
  world.Run(15 * kMicrosPerSecond, /*faults=*/false);
  ASSERT_EQ(world.trouble(), "") << "seed " << seed;
  ASSERT_EQ(world.primaries(), 1) << "seed " << seed << "\n" << world.Show();
  const uint64_t before = world.acknowledged();
  world.Run(kMicrosPerSecond, /*faults=*/false);
  ASSERT_EQ(world.trouble(), "") << "seed " << seed;
  ASSERT_GT(world.acknowledged(), before) << "seed " << seed << ": nothing is acknowledged";
  totals.acknowledged += world.acknowledged();
  totals.reigns += world.reigns();
  totals.continued += world.continued();
  totals.handed_over += world.handed_over();
}

TEST(RoleRandomTest, KeepsItsPromisesInRandomWorlds) {
  Totals totals;
  const char* only = std::getenv("CAIRN_ROLE_SEED");
  const uint64_t first = only != nullptr ? std::stoull(only) : 1;
  const uint64_t last = only != nullptr ? first : kSeeds;
  for (uint64_t seed = first; seed <= last && !HasFatalFailure(); ++seed) RunWorld(seed, totals);
  if (only != nullptr || HasFatalFailure()) return;
  // The worlds do what they are there for.
  EXPECT_GT(totals.acknowledged, kSeeds * 100);
  EXPECT_GT(totals.reigns, kSeeds * 3);
  EXPECT_GT(totals.continued, kSeeds / 10);
  EXPECT_GT(totals.handed_over, kSeeds / 10);
  RecordProperty("reigns", static_cast<int>(totals.reigns));
}

}  // namespace
}  // namespace cairn::adapter
