#include "server/clock_watch.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <string>

#include "base/random.h"

namespace cairn::server {
namespace {

constexpr int64_t kSecond = kMicrosPerSecond;
constexpr MonoMicros kMono = 1000 * kSecond;
constexpr WallMicros kWall = 1'790'000'000 * kSecond;
constexpr int64_t kFresh = kSecond;

TurnTime At(int64_t seconds) {
  return {.mono = kMono + seconds * kSecond, .wall = kWall + seconds * kSecond};
}

std::vector<NodeId> Voters(int count) {
  std::vector<NodeId> voters;
  for (int i = 1; i <= count; ++i) voters.push_back(NodeId(i));
  return voters;
}

// All voters but node 1, whose watch it is, say what their clocks show.
void HearAll(ClockWatch& watch, const std::map<int, int64_t>& seconds_ahead, TurnTime now) {
  for (const auto& [peer, ahead] : seconds_ahead) {
    watch.Hear(NodeId(peer), now.wall + ahead * kSecond, now.mono);
  }
}

TEST(ClockWatchTest, WhoIsOffAndWhoMayLead) {
  struct Case {
    const char* name;
    int voters;
    std::map<int, int64_t> seconds_ahead;  // Those that were heard.
    int64_t want_deviation_s;
    std::vector<NodeId> want_heirs;
  };
  const Case cases[] = {
      {"alone", 1, {}, 0, {}},
      {"all agree", 3, {{2, 0}, {3, 1}}, 0, {NodeId(2), NodeId(3)}},
      {"two voters cannot tell who is wrong", 2, {{2, 500}}, 0, {NodeId(2)}},
      {"one follower is off: it is no heir", 3, {{2, 500}, {3, 0}}, 0, {NodeId(3)}},
      {"the leader is behind", 3, {{2, 100}, {3, 101}}, -100, {NodeId(2), NodeId(3)}},
      {"the leader is ahead", 3, {{2, -100}, {3, -101}}, 100, {NodeId(2), NodeId(3)}},
      {"the followers disagree, on both sides of it", 3, {{2, -100}, {3, 100}}, 0, {}},
      {"three different clocks: the middle one is right", 3, {{2, 90}, {3, 300}}, -90, {NodeId(2)}},
      {"one was not heard: no majority against the leader", 3, {{2, 500}}, 0, {}},
      {"two of five are off", 5, {{2, 500}, {3, 500}, {4, 0}, {5, 0}}, 0, {NodeId(4), NodeId(5)}},
      {"the leader and another of five are off",
       5,
       {{2, 1}, {3, 500}, {4, 500}, {5, 490}},
       -490,
       {NodeId(3), NodeId(4), NodeId(5)}},
      {"half of four is no majority",
       4,
       {{2, 500}, {3, 500}, {4, 0}},
       0,
       {NodeId(2), NodeId(3), NodeId(4)}},
      {"three of four is one", 4, {{2, 500}, {3, 500}, {4, 600}}, -500, {NodeId(2), NodeId(3)}},
      {"what is barely tolerated is no heir", 3, {{2, 100}, {3, 140}}, -100, {NodeId(2)}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    ClockWatch watch(NodeId(1), kFresh);
    HearAll(watch, c.seconds_ahead, At(0));
    EXPECT_EQ(watch.Deviation(Voters(c.voters), At(0)), c.want_deviation_s * kSecond);
    EXPECT_EQ(watch.Heirs(Voters(c.voters), At(0)), c.want_heirs);
  }
}

TEST(ClockWatchTest, SamplesAgeAndFollowTheMonotonicClock) {
  ClockWatch watch(NodeId(1), kFresh);
  HearAll(watch, {{2, 100}, {3, 100}}, At(0));
  EXPECT_EQ(watch.Deviation(Voters(3), At(1)), -100 * kSecond);
  EXPECT_EQ(watch.Deviation(Voters(3), At(2)), 0) << "nothing fresh is known of the others";
  HearAll(watch, {{2, 100}, {3, 100}}, At(2));
  // This node's own clock is corrected between two answers.
  const TurnTime corrected{.mono = At(2).mono, .wall = At(2).wall + 100 * kSecond};
  EXPECT_EQ(watch.Deviation(Voters(3), corrected), 0);
}

// Ticks once a second from `first` through `last`; the seconds at which a hand-over is due.
std::string Due(ClockWatch& watch, const std::map<int, int64_t>& ahead, int first, int last) {
  std::string due;
  for (int second = first; second <= last; ++second) {
    HearAll(watch, ahead, At(second));
    if (watch.HandOverDue(Voters(3), At(second))) due += std::to_string(second) + " ";
  }
  return due;
}

TEST(ClockWatchTest, HandsOverAfterAWhileAndNotAtOnceAgain) {
  ClockWatch watch(NodeId(1), kFresh);
  EXPECT_EQ(Due(watch, {{2, 60}, {3, 60}}, 0, 20), "") << "60 s are tolerated";
  EXPECT_EQ(Due(watch, {{2, 61}, {3, 61}}, 21, 33), "26 31 ");
}

TEST(ClockWatchTest, AMomentaryDifferenceIsForgotten) {
  ClockWatch watch(NodeId(1), kFresh);
  EXPECT_EQ(Due(watch, {{2, -90}, {3, -90}}, 0, 4), "");
  EXPECT_EQ(Due(watch, {{2, 0}, {3, 0}}, 5, 5), "");
  EXPECT_EQ(Due(watch, {{2, -90}, {3, -90}}, 6, 10), "");
  watch.Reset();
  EXPECT_EQ(Due(watch, {{2, -90}, {3, -90}}, 11, 16), "16 ");
}

// Whatever the clocks show, nobody hands over to a node that would hand over in its turn.
TEST(ClockWatchTest, NoHeirHasToHandOver) {
  Random random(7);
  for (int round = 0; round < 2000; ++round) {
    const int count = static_cast<int>(random.Between(3, 7));
    std::map<int, int64_t> clocks;
    for (int i = 1; i <= count; ++i) clocks[i] = random.Between(-300, 300);
    const auto watch_of = [&](NodeId self) {
      ClockWatch watch(self, kFresh);
      const int64_t own = clocks.at(static_cast<int>(self.value()));
      for (const auto& [peer, seconds] : clocks) {
        watch.Hear(NodeId(peer), kWall + (seconds - own) * kSecond, kMono);
      }
      return watch;
    };
    const ClockWatch leader = watch_of(NodeId(1));
    const auto heirs = leader.Heirs(Voters(count), At(0));
    if (leader.Deviation(Voters(count), At(0)) != 0 && count % 2 == 1) {
      EXPECT_FALSE(heirs.empty());
    }
    for (const NodeId heir : heirs) {
      const int64_t off = watch_of(heir).Deviation(Voters(count), At(0));
      EXPECT_LE(std::abs(off), ClockWatch::kHeirToleranceUs) << "round " << round;
    }
  }
}

}  // namespace
}  // namespace cairn::server
