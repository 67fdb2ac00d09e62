// Who campaigns first in a group that was made a moment ago.
#include <gtest/gtest.h>

#include "base/random.h"
#include "consensus/raft_core.h"

namespace cairn::consensus {
namespace {

RaftCore NewCore(bool first_mover, Random* random) {
  Config config;
  config.self = NodeId(1);
  config.first_mover = first_mover;
  Membership membership;
  membership.voters = {NodeId(1), NodeId(2), NodeId(3)};
  InitialState initial{};
  initial.memberships.emplace_back(Index(), membership);
  return RaftCore(config, std::move(initial), random);
}

int TicksUntilItAsks(RaftCore& core) {
  for (int ticks = 1; ticks <= 1000; ++ticks) {
    core.Tick();
    if (core.HasReady() && !core.TakeReady().messages.empty()) return ticks;
  }
  return 0;
}

TEST(FirstMoverTest, AsksForVotesLongBeforeAnElectionTimeout) {
  Random random(1);
  RaftCore first = NewCore(true, &random);
  EXPECT_EQ(TicksUntilItAsks(first), 2);
  RaftCore other = NewCore(false, &random);
  EXPECT_GE(TicksUntilItAsks(other), static_cast<int>(Config().election_ticks));
}

TEST(FirstMoverTest, WaitsAsLongAsAnybodyForItsSecondTry) {
  Random random(1);
  RaftCore first = NewCore(true, &random);
  EXPECT_EQ(TicksUntilItAsks(first), 2);
  EXPECT_GE(TicksUntilItAsks(first), static_cast<int>(Config().election_ticks));
}

}  // namespace
}  // namespace cairn::consensus
