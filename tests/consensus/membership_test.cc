// Configurations: which changes may begin, how they end, and their bytes.
#include "consensus/membership.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace cairn::consensus {
namespace {

std::vector<NodeId> Ids(std::initializer_list<uint64_t> values) {
  std::vector<NodeId> ids;
  for (const uint64_t value : values) ids.emplace_back(value);
  return ids;
}

Membership Three() { return {.voters = Ids({1, 2, 3}), .outgoing = {}, .learners = Ids({4, 5})}; }

TEST(MembershipTest, WhoIsWhat) {
  const Membership joint{.voters = Ids({1, 4}), .outgoing = Ids({1, 2}), .learners = Ids({2, 5})};
  EXPECT_TRUE(joint.joint());
  EXPECT_TRUE(joint.IsVoter(NodeId(2)));     // Still, until the joint configuration is left.
  EXPECT_FALSE(joint.IsLearner(NodeId(2)));  // Not yet.
  EXPECT_TRUE(joint.IsLearner(NodeId(5)));
  EXPECT_FALSE(joint.Contains(NodeId(3)));
  EXPECT_EQ(joint.All(), Ids({1, 2, 4, 5}));
  const Membership after = LeaveJoint(joint);
  EXPECT_FALSE(after.joint());
  EXPECT_TRUE(after.IsLearner(NodeId(2)));
}

TEST(MembershipTest, ChangesThatBegin) {
  struct Case {
    const char* name;
    MembershipChange change;
    const char* want;
  };
  const Case cases[] = {
      {"only learners differ: simple", {Ids({1, 2, 3}), Ids({4})}, "voters=1,2,3 learners=4"},
      {"order does not matter", {Ids({3, 1, 2}), Ids({5, 4})}, "voters=1,2,3 learners=4,5"},
      {"a learner is promoted",
       {Ids({1, 2, 3, 4}), Ids({5})},
       "voters=1,2,3,4 outgoing=1,2,3 learners=5"},
      {"a voter is demoted",
       {Ids({1, 2}), Ids({3, 4, 5})},
       "voters=1,2 outgoing=1,2,3 learners=3,4,5"},
      {"all but one are replaced", {Ids({1, 4, 5}), {}}, "voters=1,4,5 outgoing=1,2,3"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const auto next = BeginChange(Three(), c.change);
    ASSERT_TRUE(next.ok());
    EXPECT_EQ(ToString(*next), c.want);
  }
}

TEST(MembershipTest, ChangesThatAreRefused) {
  struct Case {
    const char* name;
    MembershipChange change;
  };
  const Case cases[] = {
      {"no voter", {{}, Ids({1})}},
      {"a voter twice", {Ids({1, 1}), {}}},
      {"a learner twice", {Ids({1, 2, 3}), Ids({4, 4})}},
      {"node 0", {Ids({0, 1}), {}}},
      {"voter and learner", {Ids({1, 2}), Ids({2})}},
      {"a stranger votes at once", {Ids({1, 2, 3, 6}), {}}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(BeginChange(Three(), c.change).status().code(), absl::StatusCode::kInvalidArgument);
  }
  Membership joint = Three();
  joint.outgoing = Ids({1, 2});
  EXPECT_EQ(BeginChange(joint, {Ids({1}), {}}).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(MembershipTest, BytesComeBack) {
  for (const Membership& membership :
       {Membership(), Three(),
        Membership{.voters = Ids({1, 0xfedcba9876543210}), .outgoing = Ids({2}), .learners = {}},
        Membership{.voters = Ids({1}), .outgoing = {}, .learners = Ids({2}), .version = 7},
        Membership{.voters = {}, .outgoing = {}, .learners = {}, .version = ~0ull}}) {
    const auto decoded = DecodeMembership(EncodeMembership(membership));
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(*decoded, membership);
  }
}

TEST(MembershipTest, WithoutAVersionTheBytesAreThoseOfBefore) {
  Membership members = Three();
  const std::string plain = EncodeMembership(members);
  members.version = 9;
  EXPECT_EQ(EncodeMembership(members).size(), plain.size() + 8);
  EXPECT_EQ(plain.front(), 1);
}

TEST(MembershipTest, AnOlderWishDoesNotUndoANewerOne) {
  Membership members = Three();
  members.version = 5;
  const MembershipChange change{.voters = members.voters, .learners = Ids({9}), .version = 4};
  EXPECT_EQ(BeginChange(members, change).status().code(), absl::StatusCode::kInvalidArgument);
  const auto begun = BeginChange(members, {change.voters, change.learners, 5});
  ASSERT_TRUE(begun.ok());
  EXPECT_EQ(begun->version, 5u);
}

TEST(MembershipTest, DamagedBytesAreTold) {
  const std::string good = EncodeMembership(Three());
  for (size_t size = 0; size < good.size(); ++size) {
    SCOPED_TRACE(size);
    EXPECT_EQ(DecodeMembership(good.substr(0, size)).status().code(), absl::StatusCode::kDataLoss);
  }
  struct Case {
    const char* name;
    size_t byte;
    char value;
  };
  const Case cases[] = {
      {"an unknown format", 0, 3},
      {"a format with a version that is not there", 0, 2},
      {"a count of thousands of members", 2, 0x7f},
      {"ids out of order", 9, 9},
      {"id 0", 9, 0},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    std::string bad = good;
    bad[c.byte] = c.value;
    EXPECT_EQ(DecodeMembership(bad).status().code(), absl::StatusCode::kDataLoss);
  }
  EXPECT_EQ(DecodeMembership(good + '\0').status().code(), absl::StatusCode::kDataLoss);
  // Version 0 is written without one.
  std::string zero = good + std::string(8, '\0');
  zero[0] = 2;
  EXPECT_EQ(DecodeMembership(zero).status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace cairn::consensus
