// How a call finds its node: hints, suspects, rounds and pauses.

#include "client/src/route.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "tests/client/scripted_stub.h"

namespace cairn::client {
namespace {

using Goal = Route::Goal;

constexpr int64_t kMinPauseUs = 10'000;
constexpr int64_t kMaxPauseUs = 20'000;

class RouteTest : public testing::Test {
 protected:
  Route To(Goal goal, std::string first = "") { return {table_, "orders", goal, first}; }
  static int64_t Down(Route& route) {
    return route.OnFailure(absl::UnavailableError("down"), Verdict::kElsewhere);
  }

  RouteTable table_{{"a:1", "b:1", "c:1"}, 1};
};

TEST_F(RouteTest, FollowsTheHintAndRemembersIt) {
  Route route = To(Goal::kLeader, "a:1");
  EXPECT_EQ(route.OnFailure(NotLeader("c:1"), Verdict::kElsewhere), 0);
  EXPECT_EQ(route.current(), "c:1");
  route.OnSuccess();
  EXPECT_EQ(To(Goal::kLeader).current(), "c:1");
  EXPECT_EQ(To(Goal::kAny).current(), "c:1") << "it answered last";
  // Another log may be led by another node.
  EXPECT_EQ(Route(table_, "other", Goal::kLeader).current(), "c:1");
}

TEST_F(RouteTest, ALeaderThatIsNotListedIsReachedByItsHint) {
  Route route = To(Goal::kLeader, "a:1");
  route.OnFailure(NotLeader("d:1"), Verdict::kElsewhere);
  EXPECT_EQ(route.current(), "d:1");
  EXPECT_EQ(table_.size(), 4u);
}

TEST_F(RouteTest, AHintToADeadLeaderIsNotFollowedTwice) {
  Route route = To(Goal::kLeader, "c:1");
  EXPECT_EQ(Down(route), 0);  // c died; the others do not know yet.
  EXPECT_NE(route.current(), "c:1");
  EXPECT_EQ(route.OnFailure(NotLeader("c:1"), Verdict::kElsewhere), 0);
  EXPECT_NE(route.current(), "c:1");
  // All were asked: a pause, and then each gets a new chance.
  const int64_t pause_us = route.OnFailure(NotLeader("c:1"), Verdict::kElsewhere);
  EXPECT_GE(pause_us, kMinPauseUs);
  EXPECT_LE(pause_us, kMaxPauseUs);
  EXPECT_EQ(route.full_rounds(), 1u);
}

TEST_F(RouteTest, ARoundAsksEachNodeOnce) {
  Route route = To(Goal::kAny);
  for (int round = 0; round < 5; ++round) {
    std::set<std::string> asked;
    std::string last;
    int64_t pause_us = 0;
    while (pause_us == 0) {
      last = route.current();
      EXPECT_TRUE(asked.insert(last).second) << last << " was asked twice";
      pause_us = Down(route);
    }
    EXPECT_EQ(asked.size(), 3u);
    EXPECT_NE(route.current(), last) << "the node that ended the round begins the next one";
  }
  EXPECT_EQ(route.full_rounds(), 5u);
  EXPECT_EQ(route.misses(), 15u);
  route.OnSuccess();
  EXPECT_EQ(route.full_rounds(), 0u);
  EXPECT_EQ(route.misses(), 0u);
}

TEST_F(RouteTest, PausesGrowWhenNoElectionCanStillBeRunning) {
  Route route = To(Goal::kAny);
  int64_t pause_us = 0;
  while (route.full_rounds() <= 200) pause_us = Down(route);
  EXPECT_GE(pause_us, 100'000);
  EXPECT_LE(pause_us, 200'000);
}

TEST_F(RouteTest, APinnedRouteStaysWhereItIs) {
  Route route = To(Goal::kPinned, "b:1");
  EXPECT_GE(route.OnFailure(NotLeader("c:1"), Verdict::kElsewhere), kMinPauseUs);
  EXPECT_EQ(route.current(), "b:1");
}

TEST_F(RouteTest, ABadTimeIsNoReasonToMove) {
  Route route = To(Goal::kLeader, "b:1");
  v1::ErrorInfo info;
  info.set_retry_after_ms(40);
  const absl::Status busy =
      Refusal(v1::REASON_OVERLOADED, absl::StatusCode::kResourceExhausted, info);
  const int64_t pause_us = route.OnFailure(busy, Verdict::kHere);
  EXPECT_GE(pause_us, 40'000);
  EXPECT_LE(pause_us, 60'000);
  EXPECT_EQ(route.current(), "b:1");
}

TEST_F(RouteTest, WhoForgetsALeaderForgetsOnlyTheOneItMet) {
  table_.SetLeader("orders", "a:1");
  Route slow = To(Goal::kLeader);
  table_.SetLeader("orders", "b:1");  // Somebody else learned it meanwhile.
  Down(slow);
  EXPECT_EQ(table_.Leader("orders"), "b:1");
}

TEST(RouteTableTest, IsBounded) {
  RouteTable table({"a:1"}, 1);
  for (int i = 0; i < 5000; ++i) {
    table.SetLeader("log" + std::to_string(i), "n" + std::to_string(i) + ":1");
  }
  EXPECT_LE(table.size(), 64u);
  // The newest is known although the table had to be emptied on the way.
  EXPECT_EQ(table.Leader("log4999"), "n4999:1");
}

TEST(RouteTableTest, ClientsSpreadOverTheEndpoints) {
  std::set<std::string> first;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    first.insert(RouteTable({"a:1", "b:1", "c:1"}, seed).Preferred());
  }
  EXPECT_EQ(first.size(), 3u);
}

}  // namespace
}  // namespace cairn::client
