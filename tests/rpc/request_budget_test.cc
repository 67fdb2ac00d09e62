// What a node does with more appends than it has memory for: unary ones are refused, streams wait.

#include "server/rpc/request_budget.h"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "tests/rpc/test_node.h"

namespace cairn::rpc {
namespace {

TEST(RequestBudgetTest, RefusesBeyondItsLimitAndTakesBack) {
  RequestBudget budget(100);
  EXPECT_TRUE(budget.TryTake(60));
  EXPECT_FALSE(budget.TryTake(41));
  EXPECT_FALSE(budget.spent());
  EXPECT_TRUE(budget.TryTake(40));
  EXPECT_TRUE(budget.spent());
  budget.Give(60);
  EXPECT_FALSE(budget.spent());
  budget.Give(40);
  EXPECT_TRUE(budget.TryTake(1000)) << "alone, whatever its size";
  EXPECT_FALSE(budget.TryTake(1));
  budget.Take(5);
  budget.Give(1005);
  EXPECT_TRUE(budget.TryTake(100));
}

class OverloadTest : public ::testing::Test {
 protected:
  static constexpr size_t kPayloadBytes = 700 << 10;

  void SetUp() override { id_ = cluster_.Create("orders"); }

  v1::AppendRequest Request() const {
    v1::AppendRequest request;
    request.set_log("orders");
    request.set_log_id(id_);
    request.add_records()->set_payload(std::string(kPayloadBytes, 'p'));
    return request;
  }
  uint64_t LastSeq() {
    v1::DescribeLogRequest request;
    request.set_log("orders");
    request.set_linearizable(true);
    v1::DescribeLogResponse response;
    EXPECT_TRUE(
        Call(*cluster_[0].log, &v1::LogService::Stub::DescribeLog, request, &response).ok());
    return response.last_seq();
  }

  TestCluster cluster_{1, [](server::NodeConfig& config) { config.request_bytes = 1 << 20; }};
  uint64_t id_ = 0;
};

TEST_F(OverloadTest, UnaryAppendsBeyondTheBudgetAreRefusedAndNothingElseIs) {
  constexpr int kThreads = 8;
  constexpr int kAppends = 40;
  std::atomic<uint64_t> done = 0;
  std::atomic<uint64_t> refused = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      const v1::AppendRequest request = Request();
      for (int i = 0; i < kAppends; ++i) {
        const grpc::Status status = Call(*cluster_[0].log, &v1::LogService::Stub::Append, request);
        if (status.ok()) {
          ++done;
          continue;
        }
        ++refused;
        EXPECT_EQ(ReasonOf(status), v1::REASON_OVERLOADED) << status.error_message();
        EXPECT_GT(ErrorInfoOf(status)->retry_after_ms(), 0u);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(done + refused, uint64_t{kThreads} * kAppends);
  EXPECT_GT(done, 0u);
  EXPECT_GT(refused, 0u);
  EXPECT_EQ(LastSeq(), done) << "a refused append has no effect";
  EXPECT_TRUE(Call(*cluster_[0].log, &v1::LogService::Stub::Append, Request()).ok())
      << "everything taken was given back";
}

TEST_F(OverloadTest, AStreamWaitsAndIsAnsweredInFull) {
  constexpr uint64_t kRequests = 30;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  auto stream = cluster_[0].log->AppendStream(&context);
  std::thread writer([&] {
    for (uint64_t i = 0; i < kRequests; ++i) {
      v1::AppendStreamRequest request;
      *request.mutable_append() = Request();
      EXPECT_TRUE(stream->Write(request));
    }
    stream->WritesDone();
  });
  v1::AppendStreamResponse response;
  for (uint64_t i = 1; i <= kRequests; ++i) {
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_EQ(response.appended().last_seq(), i);
  }
  writer.join();
  EXPECT_TRUE(stream->Finish().ok());
}

}  // namespace
}  // namespace cairn::rpc
