// Request ids on real nodes: whose they are, and who is told.
#include "base/request_id.h"

#include <string>

#include "tests/rpc/test_node.h"

namespace cairn::rpc {
namespace {

TEST(RequestIdTest, WhatIsWellFormed) {
  for (const char* good : {"a", "8c1f0a6e2b9d4473", "Trace_1.2-x"}) EXPECT_TRUE(IsRequestId(good));
  EXPECT_TRUE(IsRequestId(std::string(kMaxRequestIdBytes, 'x')));
  EXPECT_FALSE(IsRequestId(std::string(kMaxRequestIdBytes + 1, 'x')));
  for (const char* bad : {"", "two words", "line\nbreak", "quote\"", "ü"}) {
    EXPECT_FALSE(IsRequestId(bad)) << bad;
  }
}

TEST(RequestIdTest, TheyAreMadeWellFormedAndDifferent) {
  const std::string one = MakeRequestId();
  EXPECT_TRUE(IsRequestId(one));
  EXPECT_EQ(one.size(), 16u);
  EXPECT_NE(one, MakeRequestId());
}

class CallIdTest : public ::testing::Test {
 protected:
  // What the node tells of the id in the trailing metadata; empty: nothing.
  std::string Told(const std::string& sent) {
    grpc::ClientContext context;
    if (!sent.empty()) context.AddMetadata(kRequestIdHeader, sent);
    v1::StatusResponse response;
    EXPECT_TRUE(cluster_[0].cluster->Status(&context, v1::StatusRequest(), &response).ok());
    return Trailer(context);
  }
  static std::string Trailer(const grpc::ClientContext& context) {
    const auto& trailers = context.GetServerTrailingMetadata();
    const auto found = trailers.find(kRequestIdHeader);
    return found == trailers.end() ? "" : std::string(found->second.data(), found->second.size());
  }

  TestCluster cluster_{1};
};

TEST_F(CallIdTest, ACallerWithoutOneIsToldTheOneThatWasMade) {
  const std::string made = Told("");
  EXPECT_TRUE(IsRequestId(made));
  EXPECT_NE(made, Told(""));
}

TEST_F(CallIdTest, ACallersOwnIsTaken) { EXPECT_EQ(Told("mine"), ""); }

TEST_F(CallIdTest, WhatIsNotWellFormedIsNotTaken) {
  EXPECT_TRUE(IsRequestId(Told("not mine")));
  EXPECT_TRUE(IsRequestId(Told(std::string(100, 'x'))));
}

TEST_F(CallIdTest, RefusedCallsAndStreamsHaveOneToo) {
  grpc::ClientContext unary;
  v1::AppendRequest request;
  request.set_log("nowhere");
  request.add_records()->set_payload("p");
  v1::AppendResponse response;
  EXPECT_FALSE(cluster_[0].log->Append(&unary, request, &response).ok());
  EXPECT_TRUE(IsRequestId(Trailer(unary)));

  grpc::ClientContext streaming;
  auto stream = cluster_[0].log->AppendStream(&streaming);
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_TRUE(IsRequestId(Trailer(streaming)));

  grpc::ClientContext reading;
  v1::ReadRequest read;
  read.set_log("nowhere");
  auto records = cluster_[0].log->Read(&reading, read);
  EXPECT_FALSE(records->Finish().ok());
  EXPECT_TRUE(IsRequestId(Trailer(reading)));
}

// Streams are counted by what became of their requests.
TEST_F(CallIdTest, AppendsAreCountedAtTheirAnswers) {
  cluster_.Create("orders");
  grpc::ClientContext context;
  auto stream = cluster_[0].log->AppendStream(&context);
  v1::AppendStreamRequest request;
  request.mutable_append()->set_log("orders");
  request.mutable_append()->add_records()->set_payload("p");
  v1::AppendStreamResponse response;
  ASSERT_TRUE(stream->Write(request));
  ASSERT_TRUE(stream->Read(&response));
  request.mutable_append()->mutable_condition()->set_if_last_seq(99);  // Refused.
  ASSERT_TRUE(stream->Write(request));
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_TRUE(response.has_refused());
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
  const server::Metrics& metrics = cluster_[0].node().metrics();
  EXPECT_EQ(metrics.append_requests_total.Value(), 2);
  EXPECT_EQ(metrics.append_refused_total.Value(), 1);
  EXPECT_EQ(metrics.append_records_total.Value(), 1);
  // Tallies are added up once a tick.
  EXPECT_TRUE(Eventually([&] {
    return cluster_[0].node().MetricsText().find(
               "cairn_append_stage_seconds_count{stage=\"sync\"} 1") != std::string::npos;
  })) << cluster_[0].node().MetricsText();
}

}  // namespace
}  // namespace cairn::rpc
