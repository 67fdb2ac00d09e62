// What a majority says, against tables and against counting by brute force.
#include "consensus/quorum.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <vector>

#include "base/random.h"

namespace cairn::consensus {
namespace {

constexpr uint64_t kUnbounded = std::numeric_limits<uint64_t>::max();

std::vector<NodeId> Ids(std::initializer_list<uint64_t> values) {
  std::vector<NodeId> ids;
  for (const uint64_t value : values) ids.emplace_back(value);
  return ids;
}

TEST(QuorumTest, TheValueThatAMajorityHasReached) {
  struct Case {
    const char* name;
    std::vector<uint64_t> values;
    uint64_t want;
  };
  const Case cases[] = {
      {"nobody restrains nobody", {}, kUnbounded},
      {"one voter is its own majority", {7}, 7},
      {"two voters wait for the slower", {9, 4}, 4},
      {"three voters take the middle", {9, 4, 6}, 6},
      {"half of four is no majority", {9, 9, 1, 1}, 1},
      {"three of four are", {9, 9, 8, 1}, 8},
      {"five", {1, 2, 3, 4, 5}, 3},
  };
  for (Case c : cases) {
    SCOPED_TRACE(c.name);
    std::sort(c.values.begin(), c.values.end());
    do {  // The order of the voters must not matter.
      std::vector<uint64_t> values = c.values;
      EXPECT_EQ(MajorityValue(values), c.want);
    } while (std::next_permutation(c.values.begin(), c.values.end()));
  }
}

TEST(QuorumTest, BallotsOfOneSet) {
  struct Case {
    size_t voters;
    size_t granted;
    size_t refused;
    VoteResult want;
  };
  const Case cases[] = {
      {0, 0, 0, VoteResult::kWon},     {1, 0, 0, VoteResult::kPending},
      {1, 1, 0, VoteResult::kWon},     {1, 0, 1, VoteResult::kLost},
      {2, 1, 0, VoteResult::kPending}, {2, 1, 1, VoteResult::kLost},
      {3, 1, 1, VoteResult::kPending}, {3, 2, 0, VoteResult::kWon},
      {3, 0, 2, VoteResult::kLost},    {4, 2, 1, VoteResult::kPending},
      {4, 2, 2, VoteResult::kLost},    {4, 3, 1, VoteResult::kWon},
      {5, 2, 2, VoteResult::kPending}, {5, 3, 2, VoteResult::kWon},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(testing::Message() << c.granted << " yes, " << c.refused << " no of " << c.voters);
    EXPECT_EQ(CountBallots(c.voters, c.granted, c.refused), c.want);
  }
}

TEST(QuorumTest, TheWorseOfTwoResults) {
  using enum VoteResult;
  EXPECT_EQ(Worse(kWon, kWon), kWon);
  EXPECT_EQ(Worse(kWon, kPending), kPending);
  EXPECT_EQ(Worse(kPending, kWon), kPending);
  EXPECT_EQ(Worse(kPending, kLost), kLost);
  EXPECT_EQ(Worse(kLost, kWon), kLost);
}

TEST(QuorumTest, JointDecisionsNeedBothSets) {
  const Membership joint{.voters = Ids({1, 4, 5}), .outgoing = Ids({1, 2, 3}), .learners = {}};
  std::map<NodeId, uint64_t> match = {
      {NodeId(1), 9}, {NodeId(2), 3}, {NodeId(3), 2}, {NodeId(4), 9}, {NodeId(5), 8}};
  const auto value_of = [&](NodeId id) { return match.at(id); };
  EXPECT_EQ(QuorumValue(joint, value_of), 3u);  // The new set alone would say 9.
  match[NodeId(2)] = 9;
  EXPECT_EQ(QuorumValue(joint, value_of), 9u);

  std::map<NodeId, Ballot> ballots;
  const auto ballot_of = [&](NodeId id) { return ballots[id]; };
  ballots[NodeId(1)] = ballots[NodeId(4)] = Ballot::kGranted;
  EXPECT_EQ(TallyVotes(joint, ballot_of), VoteResult::kPending);
  ballots[NodeId(2)] = Ballot::kGranted;
  EXPECT_EQ(TallyVotes(joint, ballot_of), VoteResult::kWon);
  ballots[NodeId(2)] = ballots[NodeId(3)] = Ballot::kRefused;
  EXPECT_EQ(TallyVotes(joint, ballot_of), VoteResult::kLost);
}

// The definition: the largest value that more than half of the voters have reached.
uint64_t ByCounting(const std::vector<NodeId>& voters, const std::map<NodeId, uint64_t>& values) {
  if (voters.empty()) return kUnbounded;
  uint64_t best = 0;
  for (const auto& value : values) {
    const uint64_t candidate = value.second;
    const auto reached = std::count_if(voters.begin(), voters.end(),
                                       [&](NodeId voter) { return values.at(voter) >= candidate; });
    if (2 * static_cast<size_t>(reached) > voters.size()) best = std::max(best, candidate);
  }
  return best;
}

TEST(QuorumTest, RandomSetsAgreeWithCounting) {
  Random random(7);
  for (int round = 0; round < 2000; ++round) {
    SCOPED_TRACE(round);
    Membership membership;
    std::map<NodeId, uint64_t> values;
    for (uint64_t id = 1; id <= 9; ++id) {
      values[NodeId(id)] = random.Below(12);
      if (random.Chance(0.5)) membership.voters.emplace_back(id);
      if (random.Chance(0.3)) membership.outgoing.emplace_back(id);
    }
    EXPECT_EQ(
        QuorumValue(membership, [&](NodeId id) { return values.at(id); }),
        std::min(ByCounting(membership.voters, values), ByCounting(membership.outgoing, values)));
  }
}

}  // namespace
}  // namespace cairn::consensus
