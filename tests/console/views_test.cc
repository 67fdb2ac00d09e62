// What the console makes of the nodes' answers: rows by log, and alerts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/console/agents.h"
#include "server/console/alerts.h"
#include "server/console/cluster_view.h"

namespace cairn::console {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kPlentyBytes = 100ull << 30;

NodeView Node(uint64_t id) {
  NodeView node{.answered = true};
  node.member.set_node_id(id);
  node.member.set_name("n" + std::to_string(id));
  node.member.set_address("10.0.0.1:7400");
  node.said.set_state("ready");
  node.said.set_version("1");
  node.said.set_disk_free_bytes(kPlentyBytes);
  return node;
}

v1::GroupStatus& AddGroup(NodeView& node, uint64_t log_id, const std::string& role,
                          uint64_t index) {
  v1::GroupStatus& group = *node.said.add_groups();
  group.set_log_id(log_id);
  group.set_role(role);
  group.set_standing("sound");
  group.set_term(1);
  group.set_commit_index(index);
  group.set_last_index(index);
  group.set_last_seq(index);
  return group;
}

// Three nodes with the catalog and one log, both led by n1; all is well.
class ViewsTest : public ::testing::Test {
 protected:
  ViewsTest() {
    view_.cluster_id = "c";
    for (uint64_t id = 1; id <= 3; ++id) {
      NodeView& node = view_.nodes.emplace_back(Node(id));
      AddGroup(node, 0, id == 1 ? "leader" : "follower", 10);
      AddGroup(node, 7, id == 1 ? "leader" : "follower", 5000);
    }
    v1::LogSummary& log = listed_.emplace_back();
    log.set_name("orders");
    log.set_log_id(7);
    for (uint64_t id = 1; id <= 3; ++id) log.add_replica_node_ids(id);
  }

  v1::GroupStatus& Group(size_t node) { return *view_.nodes[node].said.mutable_groups(1); }
  void Lose(size_t node) {
    view_.nodes[node].answered = false;
    view_.nodes[node].said.Clear();
  }
  const LogView& Log() {
    view_.logs = BuildLogs(view_.nodes, listed_);
    return view_.logs.at(1);
  }
  std::vector<std::string> Kinds() {
    view_.logs = BuildLogs(view_.nodes, listed_);
    std::vector<std::string> kinds;
    for (const Alert& alert : JudgeCluster(view_)) {
      kinds.push_back(alert.kind);
      EXPECT_THAT(alert.next, HasSubstr(".")) << "it has to say what to do";
    }
    return kinds;
  }

  ClusterView view_;
  std::vector<v1::LogSummary> listed_;
};

TEST_F(ViewsTest, AWellClusterHasNoAlert) {
  EXPECT_THAT(Kinds(), IsEmpty());
  EXPECT_EQ(view_.logs[0].name, kCatalogName);
  EXPECT_EQ(Log().leader_node_id, 1u);
  EXPECT_TRUE(Log().quorum);
  EXPECT_EQ(Log().last_seq, 5000u);
}

TEST_F(ViewsTest, OneNodeLessIsAQuorumAndTwoLessIsNone) {
  Lose(2);
  EXPECT_THAT(Kinds(), ElementsAre("node_unreachable"));
  EXPECT_EQ(Log().replicas[2].role, "");
  Lose(0);
  EXPECT_THAT(Kinds(), ElementsAre("node_unreachable", "node_unreachable", "no_quorum"));
  EXPECT_EQ(Log().leader_node_id, 0u);
}

TEST_F(ViewsTest, ALogOfWhichNobodySpeaksHasNoQuorum) {
  listed_.emplace_back().set_name("lost");
  listed_.back().set_log_id(9);
  listed_.back().add_replica_node_ids(4);
  EXPECT_THAT(Kinds(), ElementsAre("no_quorum"));
}

TEST_F(ViewsTest, OfTwoThatSayTheyLeadTheLaterTermDoes) {
  Group(2).set_role("leader");
  Group(2).set_term(2);
  EXPECT_EQ(Log().leader_node_id, 3u);
}

TEST_F(ViewsTest, NoLeaderButAQuorumIsAnElection) {
  Group(0).set_role("candidate");
  EXPECT_THAT(Kinds(), ElementsAre("no_leader"));
}

TEST_F(ViewsTest, LagIsWhatTheLeaderHasCommittedAndTheReplicaLacks) {
  Group(1).set_last_index(4999);
  EXPECT_EQ(Log().replicas[1].lag_entries, 1u);
  EXPECT_THAT(Kinds(), IsEmpty());
  Group(1).set_last_index(5000 - kLagEntries - 1);
  EXPECT_THAT(Kinds(), ElementsAre("lagging"));
  Group(1).set_last_index(6000);
  EXPECT_EQ(Log().replicas[1].lag_entries, 0u) << "it answered later than the leader";
}

TEST_F(ViewsTest, ReplicasThatAreNotTrustedAreTold) {
  Group(1).set_role("halted");
  EXPECT_THAT(Kinds(), ElementsAre("halted"));
  Group(1).set_role("follower");
  Group(1).set_suspect(true);
  EXPECT_THAT(Kinds(), ElementsAre("suspect"));
  Group(1).set_suspect(false);
  Group(1).set_standing("lost");
  EXPECT_THAT(Kinds(), ElementsAre("doubtful"));
  Group(2).set_standing("ambiguous");
  EXPECT_THAT(Kinds(), ElementsAre("no_quorum", "doubtful"));
}

TEST_F(ViewsTest, DisksClocksAndVersionsAreTold) {
  v1::StatusResponse& said = view_.nodes[1].said;
  said.set_disk_free_bytes(kLowDiskBytes - 1);
  EXPECT_THAT(Kinds(), ElementsAre("disk_low"));
  said.mutable_counters()->set_disk_watermark_bytes(said.disk_free_bytes() / 2);
  EXPECT_THAT(Kinds(), IsEmpty()) << "twice what was configured is there";
  said.set_state("storage_full");
  EXPECT_THAT(Kinds(), ElementsAre("disk_full"));
  said.set_state("ready");
  said.mutable_counters()->set_clock_deviation_us(-kClockDeviationUs - 1);
  EXPECT_THAT(Kinds(), ElementsAre("clock_deviation"));
  said.mutable_counters()->clear_clock_deviation_us();
  said.mutable_counters()->set_storage_damaged(true);
  said.set_version("2");
  EXPECT_THAT(Kinds(), ElementsAre("storage_damaged", "mixed_versions"));
}

TEST_F(ViewsTest, ManyLogsMakeOneAlertThatNamesAFew) {
  Lose(1);
  Lose(2);
  for (uint64_t id = 100; id < 200; ++id) {
    v1::LogSummary log = listed_[0];
    log.set_log_id(id);
    log.set_name("log-" + std::to_string(id));
    listed_.push_back(log);
  }
  view_.logs = BuildLogs(view_.nodes, listed_);
  const std::vector<Alert> alerts = JudgeCluster(view_);
  ASSERT_EQ(alerts.size(), 3u);
  EXPECT_EQ(alerts[2].logs.size(), kNamedLogs);
  EXPECT_THAT(alerts[2].what, HasSubstr("102"));
}

TEST_F(ViewsTest, AFormingClusterHasNoAlertsOfLogs) {
  view_.cluster_id.clear();
  view_.nodes.resize(1);
  view_.nodes[0].said.Clear();
  view_.nodes[0].said.set_state("forming");
  view_.nodes[0].said.set_detail("waiting for n2");
  view_.nodes[0].said.set_disk_free_bytes(kPlentyBytes);
  EXPECT_THAT(Kinds(), ElementsAre("node_forming"));
}

v1::LeaseState Lease(const std::string& name, const std::string& holder) {
  v1::LeaseState lease;
  lease.set_name(name);
  lease.set_holder(holder);
  lease.set_epoch(3);
  return lease;
}

TEST(AgentsTest, RolesAndSnapshotsStandInTheLogs) {
  v1::DescribeLogResponse cache;
  cache.set_name("shop");
  cache.set_last_seq(100);
  *cache.add_leases() = Lease("primary", "a/b/1@10.0.0.1:6379");
  v1::RegisteredSnapshot& snapshot = *cache.add_snapshots();
  snapshot.set_name("cairn-agent");
  snapshot.set_seq(60);
  v1::DescribeLogResponse agents;
  *agents.add_leases() = Lease("10.0.0.1:6379 10.0.0.1:26379", "a/b@10.0.0.1:6379");
  *agents.add_leases() = Lease("10.0.0.2:6379", "c/d@10.0.0.2:6379");
  *agents.add_leases() = Lease("10.0.0.3:6379", "");
  const Json json = CacheJson(cache, agents, nullptr);
  ASSERT_EQ(json["agents"].size(), 2u) << "who let go of its lease is gone";
  EXPECT_EQ(json["agents"][0]["role"], "primary");
  EXPECT_EQ(json["agents"][0]["sentinel"], "10.0.0.1:26379");
  EXPECT_EQ(json["agents"][1]["role"], "replica");
  EXPECT_EQ(json["snapshot"]["records_since"], 40);
}

TEST(AgentsTest, ACacheWithoutAPrimaryHasReplicasOnly) {
  v1::DescribeLogResponse agents;
  *agents.add_leases() = Lease("10.0.0.1:6379", "a/b@10.0.0.1:6379");
  const Json json = CacheJson({}, agents, nullptr);
  EXPECT_TRUE(json["primary"].is_null());
  EXPECT_EQ(json["agents"][0]["role"], "replica");
}

TEST(AgentsTest, TheirLogsAreKnownByTheirNames) {
  EXPECT_EQ(CacheOf("shop.agents"), "shop");
  EXPECT_EQ(CacheOf("shop/1.agents"), "shop/1");
  EXPECT_EQ(CacheOf(".agents"), std::nullopt);
  EXPECT_EQ(CacheOf("shop"), std::nullopt);
}

}  // namespace
}  // namespace cairn::console
