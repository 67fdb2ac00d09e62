// Members and placement in the catalog: what Judge lets in applies, ids are never given twice, and
// nobody is removed who still holds something.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

#include "tests/server/catalog_ops.h"

namespace cairn::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

CatalogOp Removed(uint64_t id) {
  CatalogOp op;
  op.command.mutable_member_removed()->set_node_id(id);
  return op;
}

CatalogOp Placed(GroupId log, const std::vector<uint64_t>& wanted) {
  CatalogOp op;
  op.command.mutable_log_placed()->set_log_id(log.value());
  for (const uint64_t id : wanted) op.command.mutable_log_placed()->add_wanted_node_ids(id);
  return op;
}

CatalogOp Moved(GroupId log, uint64_t from, uint64_t to) {
  CatalogOp op = Placed(log, {to});
  op.instead_of = NodeId(from);
  return op;
}

class MembersTest : public ::testing::Test {
 protected:
  MembersTest() {
    Commit(FormedOf(3));
    log_ = Commit(Created("log")).log_id;
  }

  CatalogChange Commit(const CatalogOp& op) { return catalog_.Commit(op); }
  std::string Refused(const CatalogOp& op) const { return catalog_.Refused(op).message; }
  CatalogDone Already(const CatalogOp& op) const { return catalog_.Already(op); }
  const CatalogMember& At(uint64_t id) { return catalog_.members().at(NodeId(id)); }
  void AddFourth() {
    Commit(Added("n4", "host4:1"));
    Commit(Joined("n4", "host4:1", 104));
  }

  TestCatalog catalog_;
  GroupId log_;
};

TEST_F(MembersTest, OneThatWasAddedServesWhenItHasJoined) {
  Commit(Added("n4", "host4:1"));
  EXPECT_FALSE(At(4).serves());
  EXPECT_EQ(Already(Added("n4", "host4:1")).node_id, NodeId(4)) << "added again";
  EXPECT_THAT(Refused(Moved(log_, 1, 4)), HasSubstr("has not joined yet"));
  Commit(Joined("n4", "host4:1", 104));
  EXPECT_TRUE(At(4).serves());
  EXPECT_EQ(Already(Joined("n4", "host4:1", 104)).node_id, NodeId(4)) << "joined again";
}

TEST_F(MembersTest, WhoWasNotAddedWaits) {
  const auto verdict = catalog_.Judge(Joined("n4", "host4:1", 104));
  ASSERT_TRUE(std::holds_alternative<Rejection>(verdict));
  EXPECT_EQ(std::get<Rejection>(verdict).info.reason(), cairn::v1::REASON_NOT_READY);
  EXPECT_THAT(std::get<Rejection>(verdict).message,
              HasSubstr("cairn cluster add n4 --address host4:1"));
}

TEST_F(MembersTest, WhoIsAnotherIsRefusedForGood) {
  EXPECT_THAT(Refused(Joined("n2", "host2:1", 999)), HasSubstr("another data directory"));
  EXPECT_THAT(Refused(Added("n2", "other:1")), HasSubstr("n2 is node 2"));
  EXPECT_THAT(Refused(Added("n4", "host2:1")), HasSubstr("belongs to n2"));
  Commit(Added("n4", "host4:1"));
  EXPECT_THAT(Refused(Joined("n4", "elsewhere:1", 104)), HasSubstr("expected the same"));
}

TEST_F(MembersTest, ALearnerTakesNoReplicasUntilItIsPromoted) {
  Commit(Added("n4", "host4:1", /*learner=*/true));
  Commit(Joined("n4", "host4:1", 104));
  EXPECT_THAT(Refused(Moved(log_, 1, 4)), HasSubstr("learner"));
  Commit(State(NodeId(4), kActive));
  Commit(Moved(log_, 1, 4));
}

TEST_F(MembersTest, AMoveKeepsTheOldReplicasUntilItIsSettled) {
  AddFourth();
  EXPECT_EQ(catalog_.ReplicasOn(NodeId(4)), 0u);
  const CatalogChange placed = Commit(Moved(log_, 2, 4));
  EXPECT_THAT(placed.replicas, ElementsAre(NodeId(1), NodeId(2), NodeId(3), NodeId(4)));
  EXPECT_THAT(catalog_.Find(log_)->wanted, ElementsAre(NodeId(1), NodeId(3), NodeId(4)));
  EXPECT_EQ(catalog_.ReplicasOn(NodeId(2)), 1u);
  EXPECT_THAT(Refused(Moved(log_, 1, 2)), HasSubstr("are being moved"));

  const Seq placement = catalog_.Find(log_)->placement;
  const CatalogChange settled = Commit(Settled(log_, placement));
  EXPECT_THAT(settled.replicas, ElementsAre(NodeId(1), NodeId(3), NodeId(4)));
  EXPECT_EQ(catalog_.ReplicasOn(NodeId(2)), 0u);
  Already(Settled(log_, placement));
}

TEST_F(MembersTest, WhoGaveALogAwayIsRememberedForAsLongAsItIsAMember) {
  AddFourth();
  Commit(Moved(log_, 2, 4));
  EXPECT_THAT(catalog_.Find(log_)->left, ElementsAre()) << "it has it still";
  Commit(Settled(log_, catalog_.Find(log_)->placement));
  EXPECT_THAT(catalog_.Find(log_)->left, ElementsAre(NodeId(2)));
  Commit(Moved(log_, 4, 2));
  Commit(Settled(log_, catalog_.Find(log_)->placement));
  EXPECT_THAT(catalog_.Find(log_)->left, ElementsAre(NodeId(2), NodeId(4))) << "it came back";
  Commit(State(NodeId(4), kLeaving));
  Commit(Removed(4));
  EXPECT_THAT(catalog_.Find(log_)->left, ElementsAre(NodeId(2)));
}

TEST_F(MembersTest, WhoIsBehindCannotSettleANewerPlacement) {
  AddFourth();
  Commit(Moved(log_, 2, 4));
  const Seq first = catalog_.Find(log_)->placement;
  Commit(Placed(log_, {1, 2, 4}));
  EXPECT_THAT(Refused(Settled(log_, first)), HasSubstr("is in force"));
  Commit(Placed(log_, {1, 3, 4}));  // What the first one wanted, once more.
  EXPECT_THAT(Refused(Settled(log_, first)), HasSubstr("is in force"));
}

TEST_F(MembersTest, NobodyGoesWhoStillHoldsALog) {
  AddFourth();
  EXPECT_THAT(Refused(Removed(2)), HasSubstr("not leaving"));
  Commit(State(NodeId(2), kLeaving));
  EXPECT_THAT(Refused(Removed(2)), HasSubstr("still holds 1"));
  Commit(Placed(log_, {1, 3, 4}));
  EXPECT_THAT(Refused(Removed(2)), HasSubstr("still holds 1"));
  Commit(Settled(log_, catalog_.Find(log_)->placement));
  Commit(Removed(2));
  EXPECT_FALSE(catalog_.members().contains(NodeId(2)));
  EXPECT_EQ(catalog_.removed().at(NodeId(2)), "n2");
  Already(State(NodeId(2), kLeaving));
}

TEST_F(MembersTest, AnIdIsNeverGivenAgainButANameMayBe) {
  AddFourth();
  Commit(State(NodeId(4), kLeaving));
  Commit(Removed(4));
  Commit(Added("n4", "host4:1"));
  EXPECT_EQ(catalog_.FindMember("n4")->id, NodeId(5));
  CatalogOp back;
  *back.command.mutable_member_changed() = Joined("n9", "host9:1", 104).command.member_changed();
  back.command.mutable_member_changed()->set_node_id(4);
  EXPECT_THAT(Refused(back), HasSubstr("was removed"));
}

TEST_F(MembersTest, OneThatNeverJoinedGoesAtOnce) {
  Commit(Added("n4", "host4:1"));
  Commit(State(NodeId(4), kLeaving));
  EXPECT_FALSE(catalog_.members().contains(NodeId(4)));
}

TEST_F(MembersTest, TheLastThatServesStays) {
  Commit(State(NodeId(1), kDraining));
  Commit(State(NodeId(2), kLeaving));
  EXPECT_THAT(Refused(State(NodeId(3), kDraining)), HasSubstr("last member that serves"));
  EXPECT_THAT(Refused(State(NodeId(3), cairn::v1::MEMBER_STATE_LEARNER)),
              HasSubstr("expected the state"));
  EXPECT_THAT(Refused(State(NodeId(9), kActive)), HasSubstr("no member"));
  Commit(State(NodeId(2), kActive));
  EXPECT_TRUE(At(2).serves()) << "taken back";
}

TEST_F(MembersTest, APlacementHasToBePossible) {
  EXPECT_THAT(Refused(Placed(log_, {})), HasSubstr("0 replicas"));
  EXPECT_THAT(Refused(Placed(log_, {1, 1})), HasSubstr("twice"));
  EXPECT_THAT(Refused(Placed(log_, {1, 9})), HasSubstr("no member"));
  EXPECT_THAT(Refused(Moved(log_, 9, 1)), HasSubstr("has no replica"));
  EXPECT_THAT(Refused(Moved(log_, 1, 2)), HasSubstr("has a replica of it already"));
  EXPECT_THAT(Refused(Placed(GroupId(99), {1})), HasSubstr("no log"));
  Already(Placed(log_, {1, 2, 3}));
}

TEST_F(MembersTest, NewLogsGoToThoseThatServe) {
  AddFourth();
  Commit(State(NodeId(1), kDraining));
  CatalogOp created;
  created.command.mutable_log_created()->set_name("new");
  EXPECT_THAT(Commit(created).replicas, ElementsAre(NodeId(2), NodeId(3), NodeId(4)));
}

}  // namespace
}  // namespace cairn::server
