// AppendStream on a real node: order, pipelining, and the rule that a stream never leaves a hole.

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/rpc/test_node.h"

namespace cairn::rpc {
namespace {

class AppendStreamTest : public ::testing::Test {
 protected:
  using Stream = grpc::ClientReaderWriter<v1::AppendStreamRequest, v1::AppendStreamResponse>;

  void SetUp() override { id_ = cluster_.Create("orders"); }
  TestNode& node() { return cluster_[0]; }

  std::unique_ptr<Stream> Open(grpc::ClientContext* context) {
    context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    return node().log->AppendStream(context);
  }
  v1::AppendStreamRequest First(const std::string& payload = "p") const {
    v1::AppendStreamRequest request = Later(payload);
    request.mutable_append()->set_log("orders");
    request.mutable_append()->set_log_id(id_);
    return request;
  }
  static v1::AppendStreamRequest Later(const std::string& payload = "p") {
    v1::AppendStreamRequest request;
    request.mutable_append()->add_records()->set_payload(payload);
    return request;
  }
  static v1::AppendStreamResponse Read(Stream& stream) {
    v1::AppendStreamResponse response;
    EXPECT_TRUE(stream.Read(&response));
    return response;
  }
  uint64_t LastSeq() {
    v1::DescribeLogRequest request;
    request.set_log("orders");
    request.set_linearizable(true);
    v1::DescribeLogResponse response;
    EXPECT_TRUE(Call(*node().log, &v1::LogService::Stub::DescribeLog, request, &response).ok());
    return response.last_seq();
  }
  // Expects that a stream refuses `request` and everything behind it, and appends none of it.
  void ExpectBroken(const std::vector<v1::AppendStreamRequest>& good,
                    const v1::AppendStreamRequest& bad, v1::Reason reason, grpc::StatusCode code) {
    const uint64_t before = LastSeq();
    grpc::ClientContext context;
    auto stream = Open(&context);
    for (const auto& request : good) ASSERT_TRUE(stream->Write(request));
    ASSERT_TRUE(stream->Write(bad));
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(stream->Write(First()));
    stream->WritesDone();
    for (size_t i = 0; i < good.size(); ++i) EXPECT_TRUE(Read(*stream).has_appended());
    const v1::AppendStreamResponse refusal = Read(*stream);
    EXPECT_EQ(v1::Reason_Name(refusal.refused().reason()), v1::Reason_Name(reason));
    EXPECT_EQ(refusal.code(), code);
    EXPECT_FALSE(refusal.message().empty());
    for (int i = 0; i < 3; ++i) {
      const v1::AppendStreamResponse response = Read(*stream);
      EXPECT_EQ(response.refused().reason(), v1::REASON_STREAM_BROKEN);
      EXPECT_EQ(response.code(), grpc::StatusCode::ABORTED);
    }
    EXPECT_TRUE(stream->Finish().ok());
    EXPECT_EQ(LastSeq(), before + good.size());
  }

  TestCluster cluster_{1};
  uint64_t id_ = 0;
};

TEST_F(AppendStreamTest, AnswersComeInTheOrderOfTheRequests) {
  constexpr uint64_t kRequests = 5000;
  grpc::ClientContext context;
  auto stream = Open(&context);
  std::thread writer([&] {
    for (uint64_t i = 0; i < kRequests; ++i) {
      v1::AppendStreamRequest request = i == 0 ? First() : Later();
      // The whole pipeline is conditional: each names the seq that its predecessor must get.
      request.mutable_append()->mutable_condition()->set_if_last_seq(i);
      CHECK(stream->Write(request));
    }
    stream->WritesDone();
  });
  uint64_t chain = 0;
  for (uint64_t i = 0; i < kRequests; ++i) {
    const v1::AppendStreamResponse response = Read(*stream);
    ASSERT_TRUE(response.has_appended()) << response.message();
    ASSERT_EQ(response.appended().first_seq(), i + 1);
    EXPECT_NE(response.appended().chain(), chain);
    chain = response.appended().chain();
  }
  writer.join();
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(LastSeq(), kRequests);
}

TEST_F(AppendStreamTest, ARefusalAtTheDoorBreaksTheStream) {
  v1::AppendStreamRequest empty = First();
  empty.mutable_append()->clear_records();
  ExpectBroken({First(), Later()}, empty, v1::REASON_INVALID, grpc::StatusCode::INVALID_ARGUMENT);
  ExpectBroken({}, First(std::string((8 << 20) + 1, 'x')), v1::REASON_TOO_LARGE,
               grpc::StatusCode::INVALID_ARGUMENT);
  ExpectBroken({}, Later(), v1::REASON_INVALID, grpc::StatusCode::INVALID_ARGUMENT);
  v1::AppendStreamRequest unknown = First();
  unknown.mutable_append()->set_log("nobody");
  ExpectBroken({}, unknown, v1::REASON_LOG_NOT_FOUND, grpc::StatusCode::NOT_FOUND);
}

TEST_F(AppendStreamTest, ARefusalInTheGroupBreaksTheStream) {
  v1::AppendStreamRequest bad = Later();
  bad.mutable_append()->mutable_condition()->set_if_last_seq(1'000'000);
  ExpectBroken({First(), Later(), Later()}, bad, v1::REASON_CONDITION_FAILED,
               grpc::StatusCode::ABORTED);
  bad = Later();
  bad.mutable_append()->mutable_condition()->set_if_lease_epoch(1);
  ExpectBroken({First()}, bad, v1::REASON_LEASE_LOST, grpc::StatusCode::FAILED_PRECONDITION);
  bad = Later();
  bad.mutable_append()->mutable_producer()->set_id(999);
  bad.mutable_append()->mutable_producer()->set_sequence(1);
  ExpectBroken({First()}, bad, v1::REASON_PRODUCER_EXPIRED, grpc::StatusCode::FAILED_PRECONDITION);
}

TEST_F(AppendStreamTest, AStreamIsOfOneLog) {
  cluster_.Create("other");
  v1::AppendStreamRequest other = Later();
  other.mutable_append()->set_log("other");
  ExpectBroken({First()}, other, v1::REASON_INVALID, grpc::StatusCode::INVALID_ARGUMENT);
  other = Later();
  other.mutable_append()->set_log_id(id_ + 1);
  ExpectBroken({First()}, other, v1::REASON_INVALID, grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(AppendStreamTest, ALogThatIsDeletedUnderAStreamRefuses) {
  grpc::ClientContext context;
  auto stream = Open(&context);
  ASSERT_TRUE(stream->Write(First()));
  EXPECT_TRUE(Read(*stream).has_appended());
  v1::DeleteLogRequest remove;
  remove.set_log("orders");
  remove.set_log_id(id_);
  ASSERT_TRUE(Call(*node().log, &v1::LogService::Stub::DeleteLog, remove).ok());
  const uint64_t new_id = cluster_.Create("orders");
  ASSERT_TRUE(stream->Write(Later()));
  const v1::AppendStreamResponse response = Read(*stream);
  EXPECT_FALSE(response.has_appended());
  EXPECT_NE(response.refused().reason(), v1::REASON_UNSPECIFIED) << response.message();
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_NE(new_id, id_);
  EXPECT_EQ(LastSeq(), 0u) << "the namesake was written to";
}

TEST_F(AppendStreamTest, ACallerThatVanishesLeavesAPrefix) {
  grpc::ClientContext context;
  auto stream = Open(&context);
  const std::string payload(64 << 10, 'x');
  std::atomic<uint64_t> written{0};
  std::thread writer([&] {
    while (stream->Write(written == 0 ? First(payload) : Later(payload))) ++written;
  });
  ASSERT_TRUE(Eventually([&] { return written > 50; }));
  context.TryCancel();
  writer.join();
  stream->Finish();
  // What the node had taken settles; then it takes a new stream as if nothing had been.
  grpc::ClientContext next;
  auto again = Open(&next);
  ASSERT_TRUE(again->Write(First()));
  const v1::AppendStreamResponse response = Read(*again);
  ASSERT_TRUE(response.has_appended());
  EXPECT_LE(response.appended().first_seq(), written + 2) << "more than was ever written";
  again->WritesDone();
  EXPECT_TRUE(again->Finish().ok());
}

TEST_F(AppendStreamTest, AStoppingNodeAnswersWhatItTookAndSaysSo) {
  grpc::ClientContext context;
  auto stream = Open(&context);
  ASSERT_TRUE(stream->Write(First()));
  EXPECT_TRUE(Read(*stream).has_appended());
  std::thread stopper([&] { node().Stop(); });
  v1::AppendStreamResponse response;
  EXPECT_FALSE(stream->Read(&response));
  const grpc::Status status = stream->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(status), v1::REASON_SHUTTING_DOWN);
  stopper.join();
}

}  // namespace
}  // namespace cairn::rpc
