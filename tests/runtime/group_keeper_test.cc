#include "server/runtime/group_keeper.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/check.h"

namespace cairn::server {
namespace {

constexpr NodeId kSelf{1};

// Three nodes, and one log that all of them replicate; its id is 2.
Catalog CatalogOfOneLog() {
  Catalog catalog;
  uint64_t seq = 0;
  const auto commit = [&](const CatalogOp& op) {
    auto judged = catalog.Judge(op);
    CHECK(catalog.Apply(Seq(++seq), std::get<Catalog::Append>(judged).payload).ok());
  };
  CatalogOp formed;
  formed.command.mutable_cluster_formed()->set_cluster_id("c");
  for (uint64_t id = 1; id <= 3; ++id) {
    auto* member = formed.command.mutable_cluster_formed()->add_members();
    member->set_node_id(id);
    member->set_name(std::string(1, static_cast<char>('a' + id)));
    member->set_address("127.0.0.1:" + std::to_string(7000 + id));
    member->set_incarnation(id);
  }
  commit(formed);
  CatalogOp created;
  created.command.mutable_log_created()->set_name("orders");
  commit(created);
  return catalog;
}

GroupView Whole(GroupId group) {
  GroupView view;
  view.group = group;
  view.applied = view.last = Index(5);
  return view;
}

TEST(AllAreWholeTest, WhenEveryReplicaIsOpenAndTrusted) {
  const Catalog catalog = CatalogOfOneLog();
  EXPECT_TRUE(AllAreWhole({Whole(kCatalogGroup), Whole(GroupId(2))}, catalog, kSelf));
  EXPECT_TRUE(AllAreWhole({Whole(kCatalogGroup)}, catalog, NodeId(9))) << "no replica there";

  GroupView doubtful = Whole(GroupId(2));
  doubtful.standing = consensus::Standing::kLost;
  EXPECT_FALSE(AllAreWhole({Whole(kCatalogGroup), doubtful}, catalog, kSelf));
  GroupView halted = Whole(GroupId(2));
  halted.halted = true;
  EXPECT_FALSE(AllAreWhole({Whole(kCatalogGroup), halted}, catalog, kSelf));
}

// A disk that lost a log altogether: the catalog is whole before that log's group is made. Were
// the disk trusted already, the group would begin as one that had never voted.
TEST(AllAreWholeTest, NotBeforeALogThatTheDiskLostIsOpen) {
  const Catalog catalog = CatalogOfOneLog();
  EXPECT_FALSE(AllAreWhole({}, Catalog(), kSelf));
  EXPECT_FALSE(AllAreWhole({Whole(kCatalogGroup)}, catalog, kSelf)) << "made, and not open yet";
  GroupView behind = Whole(kCatalogGroup);
  behind.applied = Index(4);
  EXPECT_FALSE(AllAreWhole({behind}, Catalog(), kSelf))
      << "the catalog's last entry is not applied";
}

}  // namespace
}  // namespace cairn::server
