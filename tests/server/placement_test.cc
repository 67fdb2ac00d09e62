// Placement: whatever members come and go, the steps that are decided end, and end where they
// should; and no step leaves a group without those it cannot do without.
#include "server/placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "consensus/membership.h"
#include "tests/server/catalog_ops.h"

namespace cairn::server {
namespace {

// A cluster in which every step works at once: the catalog, and what its groups are made of.
class Town {
 public:
  explicit Town(uint64_t nodes) {
    catalog_.Commit(FormedOf(nodes));
    for (uint64_t id = 1; id <= nodes; ++id) groups_[kCatalogGroup].voters.emplace_back(id);
  }

  void CreateLog(const std::string& name) {
    catalog_.Commit(Created(name));
    const CatalogLog& log = *catalog_.FindByName(name);
    groups_[log.id].voters = log.replicas;
  }
  void Add(const std::string& name) {
    catalog_.Commit(Added(name, name + ":1"));
    catalog_.Commit(Joined(name, name + ":1", ++incarnation_));
  }
  // Also what the member is already.
  void Become(NodeId id, cairn::v1::MemberState state) {
    const CatalogOp op = State(id, state);
    const auto verdict = catalog_.Judge(op);
    if (std::holds_alternative<Catalog::Append>(verdict)) catalog_.Commit(op);
  }

  // One step of the steward's; false when there was none.
  bool Step() {
    bool moved = Drive(kCatalogGroup, WantedOfCatalog(catalog_, View(kCatalogGroup)));
    for (const auto& [id, log] : std::map(catalog_.logs())) {
      if (!log.moving()) continue;
      moved = Drive(id, WantedOf(log)) || moved;
      if (!IsSettled(View(id), WantedOf(log))) continue;
      catalog_.Commit(Settled(id, log.placement));
      moved = true;
    }
    CatalogOp op;
    if (auto placed = NextPlacement(catalog_)) {
      *op.command.mutable_log_placed() = *placed;
    } else if (auto gone = NextRemoval(catalog_, View(kCatalogGroup))) {
      op.command.mutable_member_removed()->set_node_id(gone->value());
    } else {
      return moved;
    }
    catalog_.Commit(op);
    return true;
  }
  void Settle() {
    int steps = 0;
    while (Step()) ASSERT_LT(++steps, 1000) << "it never ends";
  }

  const Catalog& catalog() const { return catalog_; }
  const consensus::Membership& group(GroupId id) { return groups_[id]; }

 private:
  GroupView View(GroupId id) {
    GroupView view;
    view.group = id;
    view.voters = groups_[id].voters;
    view.learners = groups_[id].learners;
    view.membership_version = groups_[id].version;
    view.membership_committed = true;
    return view;
  }
  bool Drive(GroupId id, const WantedMembers& wanted) {
    const auto change = NextChange(View(id), wanted);
    if (!change) return false;
    auto begun =
        consensus::BeginChange(groups_[id], {change->voters, change->learners, change->version});
    EXPECT_TRUE(begun.ok()) << begun.status();
    if (!begun.ok()) return false;
    groups_[id] = begun->joint() ? consensus::LeaveJoint(*begun) : *begun;
    return true;
  }

  TestCatalog catalog_;
  std::map<GroupId, consensus::Membership> groups_;
  uint64_t incarnation_ = 1000;
};

std::vector<NodeId> Nodes(std::vector<uint64_t> ids) {
  std::vector<NodeId> nodes;
  for (const uint64_t id : ids) nodes.emplace_back(id);
  return nodes;
}

TEST(PlacementTest, ACatalogHasThreeVotersOrFive) {
  Town town(3);
  EXPECT_FALSE(town.Step()) << "nothing to do at first";
  town.Add("n4");
  town.Settle();
  EXPECT_EQ(town.group(kCatalogGroup).voters, Nodes({1, 2, 3}));
  EXPECT_EQ(town.group(kCatalogGroup).learners, Nodes({4}));
  town.Add("n5");
  town.Add("n6");
  town.Settle();
  EXPECT_EQ(town.group(kCatalogGroup).voters, Nodes({1, 2, 3, 4, 5}));
  EXPECT_EQ(town.group(kCatalogGroup).learners, Nodes({6}));
  town.Become(NodeId(2), kLeaving);
  town.Settle();
  EXPECT_EQ(town.group(kCatalogGroup).voters, Nodes({1, 3, 4, 5, 6}));
  EXPECT_EQ(town.group(kCatalogGroup).learners, Nodes({}));
}

TEST(PlacementTest, WhatLeavesGoesToThoseThatHoldLeast) {
  Town town(3);
  for (const char* name : {"a", "b", "c", "d", "e", "f"}) town.CreateLog(name);
  town.Add("n4");
  town.Settle();
  EXPECT_EQ(town.catalog().ReplicasOn(NodeId(4)), 0u) << "nothing moves by itself";
  town.Become(NodeId(1), kLeaving);
  town.Settle();
  EXPECT_FALSE(town.catalog().members().contains(NodeId(1)));
  for (const auto& [id, log] : town.catalog().logs()) {
    EXPECT_EQ(log.replicas, Nodes({2, 3, 4}));
    EXPECT_EQ(town.group(id).voters, log.replicas);
  }
}

TEST(PlacementTest, WhatDrainsKeepsWhatNobodyElseCanTakeAndWhatLeavesDoesNot) {
  Town town(3);
  town.CreateLog("a");
  town.Become(NodeId(3), kDraining);
  EXPECT_FALSE(NextPlacement(town.catalog()).has_value());
  town.Become(NodeId(3), kLeaving);
  town.Settle();
  EXPECT_EQ(town.catalog().FindByName("a")->replicas, Nodes({1, 2}));
  town.Add("n4");
  town.Settle();
  EXPECT_EQ(town.catalog().FindByName("a")->replicas, Nodes({1, 2, 4})) << "a third one again";
}

TEST(PlacementTest, AMoveIsTurnedElsewhereWhenItsGoalLeaves) {
  Town town(3);
  town.CreateLog("a");
  town.Add("n4");
  town.Add("n5");
  town.Settle();
  town.Become(NodeId(1), kLeaving);
  ASSERT_TRUE(town.Step());
  ASSERT_EQ(town.catalog().FindByName("a")->wanted, Nodes({2, 3, 4}));
  town.Become(NodeId(4), kLeaving);
  town.Settle();
  EXPECT_EQ(town.catalog().FindByName("a")->replicas, Nodes({2, 3, 5}));
  EXPECT_EQ(town.catalog().removed().size(), 2u);
}

TEST(PlacementTest, OnlySoManyLogsMoveAtATime) {
  Town town(3);
  for (int i = 0; i < 20; ++i) town.CreateLog("log" + std::to_string(i));
  town.Add("n4");
  town.Become(NodeId(1), kLeaving);
  size_t most = 0;
  while (town.Step()) {
    const auto& logs = town.catalog().logs();
    most = std::max<size_t>(most, std::count_if(logs.begin(), logs.end(), [](const auto& row) {
                              return row.second.moving();
                            }));
  }
  EXPECT_GE(most, 1u);
  EXPECT_LE(most, kMovesAtOnce);
}

TEST(PlacementTest, AnyComingAndGoingEnds) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Town town(3);
    for (int i = 0; i < 5; ++i) town.CreateLog("log" + std::to_string(i));
    for (int i = 0; i < 12; ++i) {
      const auto& members = town.catalog().members();
      std::vector<NodeId> serving;
      for (const auto& [id, member] : members) {
        if (member.serves()) serving.push_back(id);
      }
      if (members.size() < 7 && random.Chance(0.5)) town.Add("m" + std::to_string(i));
      if (serving.size() > 2) {
        const NodeId one = serving[random.Below(serving.size())];
        town.Become(one, random.Chance(0.5) ? kLeaving : kDraining);
      }
      for (uint64_t steps = random.Below(6); steps > 0; --steps) town.Step();
    }
    town.Settle();
    for (const auto& [id, member] : town.catalog().members()) {
      EXPECT_NE(member.state, kLeaving);
    }
    for (const auto& [id, log] : town.catalog().logs()) {
      EXPECT_FALSE(log.moving());
      EXPECT_EQ(town.group(id).voters, log.replicas);
      EXPECT_TRUE(town.group(id).learners.empty());
    }
  }
}

}  // namespace
}  // namespace cairn::server
