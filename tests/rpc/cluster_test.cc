// Three real nodes: calls that reach the wrong one, catalog changes through any of them, and what a
// node says of the cluster.

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "tests/rpc/test_node.h"

namespace cairn::rpc {
namespace {

class ClusterTest : public ::testing::Test {
 protected:
  void SetUp() override { id_ = cluster_.Create("orders"); }

  static v1::AppendRequest Append(const std::string& log = "orders") {
    v1::AppendRequest request;
    request.set_log(log);
    request.add_records()->set_payload("p");
    return request;
  }
  grpc::Status AppendAt(size_t i, bool redirect = false, v1::AppendResponse* response = nullptr) {
    return Call(*cluster_[i].log, &v1::LogService::Stub::Append, Append(), response, redirect);
  }
  size_t Follower() { return (cluster_.LeaderOf("orders") + 1) % 3; }

  TestCluster cluster_{3};
  uint64_t id_ = 0;
};

TEST_F(ClusterTest, AnyNodeTakesAnAppend) {
  for (size_t i = 0; i < 9; ++i) {
    v1::AppendResponse response;
    const grpc::Status status = AppendAt(i % 3, /*redirect=*/false, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response.last_seq(), i + 1);
  }
}

TEST_F(ClusterTest, AFollowerRedirectsThoseWhoAskForIt) {
  const size_t follower = Follower();
  const grpc::Status status = AppendAt(follower, /*redirect=*/true);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  const auto info = ErrorInfoOf(status);
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->reason(), v1::REASON_NOT_LEADER);
  EXPECT_EQ(info->leader_address(), cluster_[cluster_.LeaderOf("orders")].address());
  EXPECT_EQ(info->actual(), 0u) << "the leader's id is no part of the answer";
  // A stream is never forwarded, so it is told as well.
  grpc::ClientContext context;
  auto stream = cluster_[follower].log->AppendStream(&context);
  v1::AppendStreamRequest request;
  *request.mutable_append() = Append();
  v1::AppendStreamResponse response;
  ASSERT_TRUE(stream->Write(request));
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.refused().reason(), v1::REASON_NOT_LEADER);
  EXPECT_EQ(response.refused().leader_address(), info->leader_address());
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(ClusterTest, ARefusalOfTheLeaderIsPassedOnWhole) {
  v1::AppendRequest request = Append();
  request.mutable_condition()->set_if_last_seq(77);
  const grpc::Status status =
      Call(*cluster_[Follower()].log, &v1::LogService::Stub::Append, request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(ReasonOf(status), v1::REASON_CONDITION_FAILED);
}

TEST_F(ClusterTest, WhoCreatedALogFindsItThere) {
  for (size_t i = 0; i < 3; ++i) {
    const std::string name = "made-at-" + std::to_string(i);
    v1::CreateLogRequest create;
    create.set_name(name);
    v1::CreateLogResponse created;
    ASSERT_TRUE(Call(*cluster_[i].log, &v1::LogService::Stub::CreateLog, create, &created).ok());
    v1::ListLogsRequest list;
    list.set_prefix(name);
    v1::ListLogsResponse page;
    ASSERT_TRUE(Call(*cluster_[i].log, &v1::LogService::Stub::ListLogs, list, &page).ok());
    ASSERT_EQ(page.logs_size(), 1);
    EXPECT_EQ(page.logs(0).log_id(), created.log_id());
    EXPECT_EQ(page.logs(0).replica_node_ids_size(), 3);
  }
}

// A call may know of a log that a follower's catalog has not come to: only the catalog's leader can
// say that there is none.
TEST_F(ClusterTest, OnlyTheCatalogsLeaderDeniesALaterLog) {
  const size_t leader = cluster_.LeaderOf("catalog");
  v1::DescribeLogRequest request;
  request.set_log("orders");
  request.set_log_id(1'000'000);
  for (size_t i = 0; i < cluster_.size(); ++i) {
    const grpc::Status status = Call(*cluster_[i].log, &v1::LogService::Stub::DescribeLog, request);
    EXPECT_EQ(ReasonOf(status), i == leader ? v1::REASON_LOG_NOT_FOUND : v1::REASON_NOT_READY)
        << status.error_message();
  }
}

TEST_F(ClusterTest, ReadsAreServedByAnyReplica) {
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(AppendAt(0).ok());
  for (size_t i = 0; i < 3; ++i) {
    v1::ReadRequest request;
    request.set_log("orders");
    request.set_linearizable(true);  // Everything acknowledged so far, wherever it is asked.
    grpc::ClientContext context;
    auto reader = cluster_[i].log->Read(&context, request);
    uint64_t records = 0;
    v1::ReadResponse response;
    while (reader->Read(&response)) {
      for (const v1::RecordBatch& batch : response.batches()) records += batch.records_size();
    }
    const grpc::Status status = reader->Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(records, 10u) << "node " << i;
  }
}

TEST_F(ClusterTest, EveryReplicaShowsTheSameChain) {
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(AppendAt(static_cast<size_t>(i) % 3).ok());
  std::vector<uint64_t> chains;
  for (size_t i = 0; i < 3; ++i) {
    v1::DescribeLogRequest request;
    request.set_log("orders");
    request.set_linearizable(true);
    v1::DescribeLogResponse response;
    ASSERT_TRUE(
        Call(*cluster_[i].log, &v1::LogService::Stub::DescribeLog, request, &response).ok());
    EXPECT_EQ(response.last_seq(), 10u);
    EXPECT_EQ(response.log_id(), id_);
    EXPECT_EQ(response.leader_address(), cluster_[cluster_.LeaderOf("orders")].address());
    EXPECT_EQ(response.replicas_size(), 3);
    chains.push_back(response.chain());
  }
  EXPECT_EQ(chains[0], chains[1]);
  EXPECT_EQ(chains[0], chains[2]);
}

TEST_F(ClusterTest, LeadershipMovesOnRequest) {
  const size_t leader = cluster_.LeaderOf("orders");
  v1::TransferLeadershipRequest request;
  request.set_log("orders");
  v1::TransferLeadershipResponse response;
  const grpc::Status status =
      Call(*cluster_[Follower()].cluster, &v1::ClusterService::Stub::TransferLeadership, request,
           &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_TRUE(Eventually([&] { return cluster_.LeaderOf("orders") != leader; }));
  EXPECT_TRUE(Eventually([&] { return AppendAt(leader).ok(); }));
}

TEST_F(ClusterTest, MembersAndWhetherOneMayStop) {
  v1::MembersResponse members;
  ASSERT_TRUE(
      Call(*cluster_[1].cluster, &v1::ClusterService::Stub::Members, v1::MembersRequest(), &members)
          .ok());
  EXPECT_EQ(members.members_size(), 3);
  EXPECT_EQ(members.cluster_id().size(), 32u);
  v1::CanIStopRequest request;
  request.set_node_id(cluster_[2].node().Status().node_id.value());
  v1::CanIStopResponse answer;
  EXPECT_TRUE(Eventually([&] {
    return Call(*cluster_[0].cluster, &v1::ClusterService::Stub::CanIStop, request, &answer).ok() &&
           answer.can_stop();
  }));
  cluster_.Stop(1);
  ASSERT_TRUE(
      Call(*cluster_[0].cluster, &v1::ClusterService::Stub::CanIStop, request, &answer).ok());
  EXPECT_FALSE(answer.can_stop()) << "one of the other two is gone";
  EXPECT_GT(answer.logs_size(), 0);
}

TEST_F(ClusterTest, HealthSaysWhetherANodeServes) {
  // grpc.health.v1.Health by its bytes: an empty request, and `status` = SERVING (1) in field 1.
  const auto ask = [&] {
    std::string answer;
    const grpc::Status status =
        RawCall(cluster_[0].channel(), "/grpc.health.v1.Health/Check", "", &answer);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return answer;
  };
  cluster_[0].rpc().SetServing(true);
  EXPECT_EQ(ask(), "\x08\x01");
  cluster_[0].rpc().SetServing(false);
  EXPECT_EQ(ask(), "\x08\x02");
}

// Two clients race conditional appends: each seq has exactly one winner.
TEST_F(ClusterTest, ARaceHasOneWinnerPerSeq) {
  constexpr uint64_t kSeqs = 100;
  std::vector<int> winners(kSeqs + 1, 0);
  absl::Mutex mutex;
  std::vector<std::thread> racers;
  for (size_t racer = 0; racer < 2; ++racer) {
    racers.emplace_back([&, racer] {
      uint64_t last_seq = 0;
      while (last_seq < kSeqs) {
        v1::AppendRequest request = Append();
        request.mutable_condition()->set_if_last_seq(last_seq);
        v1::AppendResponse response;
        const grpc::Status status =
            Call(*cluster_[racer].log, &v1::LogService::Stub::Append, request, &response);
        if (status.ok()) {
          last_seq = response.last_seq();
          absl::MutexLock lock(&mutex);
          ++winners[last_seq];
          continue;
        }
        const auto info = ErrorInfoOf(status);
        CHECK(info.has_value());
        CHECK(info->reason() == v1::REASON_CONDITION_FAILED);
        CHECK_GT(info->last_seq(), last_seq);  // The loser learns where the log really ends.
        last_seq = info->last_seq();
      }
    });
  }
  for (std::thread& racer : racers) racer.join();
  for (uint64_t seq = 1; seq <= kSeqs; ++seq) EXPECT_EQ(winners[seq], 1) << "seq " << seq;
}

}  // namespace
}  // namespace cairn::rpc
