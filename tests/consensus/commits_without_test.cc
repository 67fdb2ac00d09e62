// Whether anybody waits for what a member lacks: filling it may take its time only if nobody does.
#include <gtest/gtest.h>

#include <utility>
#include <variant>

#include "base/random.h"
#include "consensus/raft_core.h"

namespace cairn::consensus {
namespace {

constexpr NodeId kSelf{1};
constexpr NodeId kSecond{2};
constexpr NodeId kThird{3};
constexpr NodeId kLearner{4};

// Node 1 of three voters and a learner, which the second has elected.
class CommitsWithoutTest : public ::testing::Test {
 protected:
  CommitsWithoutTest() : core_(Config{.self = kSelf}, Start(), &random_) {
    while (core_.role() != Role::kLeader) {
      core_.Tick();
      Work();
    }
  }

  static InitialState Start() {
    Membership membership;
    membership.voters = {kSelf, kSecond, kThird};
    membership.learners = {kLearner};
    InitialState initial{};
    initial.memberships.emplace_back(Index(), membership);
    return initial;
  }

  // Does what the core asks for: the second voter grants its votes.
  void Work() {
    while (core_.HasReady()) {
      const Ready ready = core_.TakeReady();
      for (const Message& message : ready.messages) Answer(message);
      if (ready.write) core_.OnPersisted(ready.write->id);
      core_.OnApplied(core_.commit());
    }
  }

  void Answer(const Message& message) {
    if (const auto* vote = std::get_if<VoteRequest>(&message.body)) {
      if (message.to != kSecond) return;
      Hear(kSecond,
           VoteResponse{.pre_vote = vote->pre_vote, .granted = true, .ballot = vote->ballot});
    } else if (const auto* append = std::get_if<AppendRequest>(&message.body)) {
      if (append->last > append->prev.index) core_.OnAppendSent(message.to, append->last, 0);
    }
  }

  void Hear(NodeId from, Body body) { core_.Step({from, kSelf, core_.term(), std::move(body)}); }

  // It holds all that there is.
  void Acknowledge(NodeId from) {
    Hear(from, AppendResponse{.accepted = true, .match = core_.last().index});
    Work();
  }

  Random random_{1};
  RaftCore core_;
};

TEST_F(CommitsWithoutTest, WhoIsOneTooManyMayTakeItsTime) {
  Acknowledge(kSecond);
  Acknowledge(kThird);
  EXPECT_TRUE(core_.CommitsWithout(kSecond));
  EXPECT_TRUE(core_.CommitsWithout(kThird));
  EXPECT_TRUE(core_.CommitsWithout(kLearner));
}

TEST_F(CommitsWithoutTest, TheOtherHalfOfAMajorityIsNeeded) {
  Acknowledge(kSecond);
  EXPECT_FALSE(core_.CommitsWithout(kSecond));
  EXPECT_TRUE(core_.CommitsWithout(kThird));
}

TEST_F(CommitsWithoutTest, WhoIsNotHeardOfIsNotCounted) {
  Acknowledge(kSecond);
  Acknowledge(kThird);
  for (uint32_t tick = 0; tick < Config().election_ticks; ++tick) {
    core_.Tick();
    Work();
    Hear(kThird, HeartbeatResponse{});
  }
  ASSERT_EQ(core_.role(), Role::kLeader);
  EXPECT_FALSE(core_.CommitsWithout(kThird));
  EXPECT_TRUE(core_.CommitsWithout(kSecond));
}

TEST_F(CommitsWithoutTest, WhoDoubtsItsDiskIsNotCounted) {
  Acknowledge(kSecond);
  Acknowledge(kThird);
  Hear(kThird, HeartbeatResponse{.doubt = 7});
  EXPECT_FALSE(core_.CommitsWithout(kSecond));
  EXPECT_TRUE(core_.CommitsWithout(kThird));
}

}  // namespace
}  // namespace cairn::consensus
