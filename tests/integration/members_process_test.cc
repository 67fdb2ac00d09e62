// Nodes come and go while producers append: real processes, some of them killed in the middle of a
// move. Nothing that was acknowledged is lost, repeated or changed, on any replica.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cairn/admin.h"
#include "cairn/client.h"
#include "tests/integration/exactly_once_load.h"
#include "tests/integration/process_cluster.h"
#include "tests/support/temp_dir.h"

namespace cairn::integration {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

constexpr int kExitFailed = 1;
constexpr char kLoad[] = "load";

class MembersProcessTest : public ::testing::Test {
 protected:
  void Start(size_t nodes) {
    cluster_ = std::make_unique<ProcessCluster>(
        ProcessCluster::Options{.program = CAIRN_BIN_DIR "/cairnd",
                                .dir = dir_.path(),
                                .nodes = nodes,
                                .founders = 3,
                                .flags = {"--segment-bytes", "65536"}});
    cluster_->StartFounders();
    ASSERT_TRUE(cluster_->AwaitFoundersReady());
    ClientOptions options;
    options.endpoints = cluster_->Endpoints();
    auto client = Client::Connect(std::move(options));
    ASSERT_TRUE(client.ok()) << client.status();
    client_ = *std::move(client);
  }
  void StartLoad() {
    auto load = ExactlyOnceLoad::Start({.endpoints = cluster_->Endpoints(),
                                        .log = kLoad,
                                        .producers = 2,
                                        .records_per_s = 500,
                                        .record_bytes = 300});
    ASSERT_TRUE(load.ok()) << load.status();
    load_ = *std::move(load);
  }
  // So that a move has something to carry, and a load to disturb.
  void AwaitMore(uint64_t records) {
    const uint64_t goal = load_->acknowledged() + records;
    ASSERT_TRUE(Eventually([&] { return load_->acknowledged() >= goal || !load_->status().ok(); }));
    ASSERT_TRUE(load_->status().ok()) << load_->status();
  }

  // Nodes are numbered from 0, their ids and names from 1; here nobody's id is given anew.
  static NodeId IdOf(size_t node) { return NodeId(node + 1); }
  void Join(size_t node) {
    const std::string name = fmt::format("n{}", node + 1);
    const auto id = client_->admin().AddMember({.name = name, .address = cluster_->Endpoint(node)});
    ASSERT_TRUE(id.ok()) << id.status();
    ASSERT_EQ(*id, IdOf(node));
    cluster_->Start(node);
    ASSERT_TRUE(Eventually([&] { return cluster_->IsReady(node); })) << cluster_->Output(node);
  }
  std::optional<MemberInfo> Find(size_t node) {
    const auto members = client_->admin().GetMembers();
    if (!members.ok()) return std::nullopt;
    const auto found = std::find_if(members->members.begin(), members->members.end(),
                                    [&](const MemberInfo& m) { return m.node_id == IdOf(node); });
    if (found == members->members.end()) return MemberInfo();
    return *found;
  }
  void Become(size_t node, MemberState state) {
    const absl::Status done = client_->admin().ChangeMember(IdOf(node), state);
    ASSERT_TRUE(done.ok()) << done;
  }
  void AwaitGone(size_t node) {
    ASSERT_TRUE(Eventually([&] {
      const auto member = Find(node);
      return member && !member->node_id;
    }));
  }
  void AwaitEmpty(size_t node) {
    ASSERT_TRUE(Eventually([&] {
      const auto member = Find(node);
      return member && member->node_id && member->replicas == 0;
    }));
  }
  void AwaitSettled() {
    ASSERT_TRUE(Eventually([&] {
      const auto members = client_->admin().GetMembers();
      return members.ok() && members->moving == 0;
    }));
  }
  void Move(size_t from, size_t to) {
    // The catalog's leader may have died a moment ago.
    ASSERT_TRUE(
        Eventually([&] { return client_->admin().MoveReplica(kLoad, IdOf(from), IdOf(to)).ok(); }));
  }
  std::vector<NodeId> Replicas() {
    const auto info = client_->admin().DescribeLog(kLoad);
    EXPECT_TRUE(info.ok()) << info.status();
    std::vector<NodeId> nodes;
    if (info.ok()) {
      for (const auto& replica : info->replicas) nodes.push_back(replica.node_id);
    }
    std::sort(nodes.begin(), nodes.end());
    return nodes;
  }
  // `cairn cluster …`, which waits.
  void BeginWait(const std::vector<std::string>& words) {
    std::vector<std::string> argv = {CAIRN_BIN_DIR "/cairn", "--endpoints", cluster_->Endpoint(0),
                                     "cluster"};
    argv.insert(argv.end(), words.begin(), words.end());
    wait_.Start({.argv = std::move(argv), .environment = {}, .output = dir_.File("wait")});
  }
  bool AwaitSaid(const std::string& words) {
    const bool said = Eventually(
        [&] { return ReadWholeFile(dir_.File("wait")).find(words) != std::string::npos; });
    EXPECT_TRUE(said) << ReadWholeFile(dir_.File("wait"));
    return said;
  }
  void EndWait() {
    wait_.Signal(SIGINT);
    EXPECT_TRUE(wait_.AwaitExit().has_value());
  }
  void Verify(const std::vector<size_t>& nodes) {
    const absl::Status finished = load_->Finish();
    ASSERT_TRUE(finished.ok()) << finished;
    for (const size_t node : nodes) {
      const absl::Status same = load_->Verify(cluster_->Endpoint(node));
      EXPECT_TRUE(same.ok()) << "node " << node + 1 << ": " << same;
    }
  }

  cairn::testing::TempDir dir_;
  std::unique_ptr<ProcessCluster> cluster_;
  std::unique_ptr<Client> client_;
  std::unique_ptr<ExactlyOnceLoad> load_;
  Process wait_;
};

TEST_F(MembersProcessTest, ThreeBecomeFiveAndThreeAgainUnderLoad) {
  Start(5);
  StartLoad();
  AwaitMore(1000);
  Join(3);
  Join(4);

  // Every replica moves; the one that is being filled is killed on the way.
  Move(/*from=*/0, /*to=*/3);
  cluster_->Kill(3);
  AwaitMore(500);
  cluster_->Start(3);
  AwaitSettled();
  Move(1, 4);
  AwaitSettled();
  EXPECT_THAT(Replicas(), ElementsAre(NodeId(3), NodeId(4), NodeId(5)));
  Move(2, 0);
  AwaitSettled();
  AwaitMore(500);

  // One that holds nothing any more is killed, the rest goes on; then the newcomers leave.
  cluster_->Kill(2);
  Become(3, MemberState::kDraining);
  AwaitEmpty(3);
  cluster_->Start(2);
  Become(3, MemberState::kLeaving);
  Become(4, MemberState::kLeaving);
  AwaitMore(200);
  AwaitGone(3);
  AwaitGone(4);
  for (const size_t node : {3, 4}) {
    EXPECT_EQ(cluster_->AwaitExit(node), kExitFailed);
    EXPECT_THAT(cluster_->Output(node), HasSubstr("no member any more"));
  }
  AwaitMore(500);
  EXPECT_THAT(Replicas(), ElementsAre(NodeId(1), NodeId(2), NodeId(3)));
  Verify({0, 1, 2});
}

TEST_F(MembersProcessTest, ADeadNodeIsReplacedAndNeverLetInAgain) {
  Start(4);
  StartLoad();
  AwaitMore(1000);
  cluster_->Kill(1);
  Join(3);
  Become(1, MemberState::kLeaving);
  AwaitGone(1);
  EXPECT_THAT(Replicas(), ElementsAre(NodeId(1), NodeId(3), NodeId(4)));
  AwaitMore(500);

  // With its old directory never again; with an empty one when there is room for its name, and then
  // as another node.
  cluster_->Start(1);
  EXPECT_EQ(cluster_->AwaitExit(1), kExitFailed);
  EXPECT_THAT(cluster_->Output(1), HasSubstr("was removed"));
  fs::remove_all(cluster_->DataDir(1));
  cluster_->Start(1);
  ASSERT_TRUE(Eventually([&] {
    return cluster_->Output(1).find("an operator has to run `cairn cluster add n2") !=
           std::string::npos;
  })) << cluster_->Output(1);
  const auto id = client_->admin().AddMember({.name = "n2", .address = cluster_->Endpoint(1)});
  ASSERT_TRUE(id.ok()) << id.status();
  EXPECT_EQ(*id, NodeId(5));
  EXPECT_TRUE(Eventually([&] { return cluster_->IsReady(1); })) << cluster_->Output(1);
  Verify({0, 2, 3});
}

TEST_F(MembersProcessTest, ADrainThatNobodyCanHelpSaysSo) {
  Start(3);
  ASSERT_TRUE(client_->admin().CreateLog("orders").ok());
  BeginWait({"drain", "n2"});
  EXPECT_TRUE(AwaitSaid("no other node can take them"));
  EXPECT_TRUE(AwaitSaid("still waiting; all nodes answer"));
  EndWait();
  EXPECT_EQ(Find(1)->replicas, 1u) << "it serves as before";
}

TEST_F(MembersProcessTest, AMoveToANodeThatIsDownSaysWhichItIs) {
  Start(4);
  ASSERT_TRUE(client_->admin().CreateLog("orders").ok());
  Join(3);
  cluster_->Kill(3);
  const std::string silent = fmt::format("no answer from n4 ({}): start", cluster_->Endpoint(3));
  BeginWait({"move", "orders", "--from", "n1", "--to", "n4"});
  EXPECT_TRUE(AwaitSaid("orders is being moved from n1 to n4"));
  EXPECT_TRUE(AwaitSaid(silent));
  cluster_->Start(3);
  EXPECT_EQ(wait_.AwaitExit(), 0) << ReadWholeFile(dir_.File("wait"));
  BeginWait({"drain", "n4"});
  EXPECT_EQ(wait_.AwaitExit(), 0) << ReadWholeFile(dir_.File("wait"));
}

TEST_F(MembersProcessTest, AWipedMemberIsToldTheWayBack) {
  Start(3);
  cluster_->Kill(1);
  fs::remove_all(cluster_->DataDir(1));
  cluster_->Start(1);
  EXPECT_EQ(cluster_->AwaitExit(1), kExitFailed);
  EXPECT_THAT(cluster_->Output(1), HasSubstr("cairn cluster remove n2"));
}

// All stop, and the catalog is read anew with the moves in it: nobody makes replicas that are long
// gone, nobody drops one that has come back.
TEST_F(MembersProcessTest, MovesSurviveARestartOfAll) {
  Start(4);
  StartLoad();
  AwaitMore(500);
  Join(3);
  Move(0, 3);
  AwaitSettled();
  Move(1, 0);
  AwaitSettled();
  AwaitMore(200);
  const absl::Status finished = load_->Finish();
  ASSERT_TRUE(finished.ok()) << finished;
  for (int round = 0; round < 2; ++round) {
    for (size_t node = 0; node < 4; ++node) cluster_->Kill(node);
    for (size_t node = 0; node < 4; ++node) cluster_->Start(node);
    ASSERT_TRUE(cluster_->AwaitAllReady());
    EXPECT_THAT(Replicas(), ElementsAre(NodeId(1), NodeId(3), NodeId(4)));
    for (const size_t node : {0, 2, 3}) {
      const absl::Status same = load_->Verify(cluster_->Endpoint(node));
      EXPECT_TRUE(same.ok()) << "node " << node + 1 << ": " << same;
    }
  }
}

}  // namespace
}  // namespace cairn::integration
