// What a lost right ends that is open, and a policy in a cluster: calls that are passed on, and the
// death of the node that led the catalog.
#include <string>
#include <utility>
#include <vector>

#include "tests/rpc/auth_fixture.h"

namespace cairn::rpc {
namespace {

TEST_F(AuthTest, ARevocationEndsAnOpenTail) {
  ASSERT_TRUE(Append(Bearer(appender_), "a/one").ok());
  grpc::ClientContext context;
  Dress(context, Bearer(reader_));
  v1::TailRequest request;
  request.set_log("a/one");
  request.set_from_first(true);
  const auto tail = cluster_[0].log->Tail(&context, request);
  v1::TailResponse response;
  ASSERT_TRUE(tail->Read(&response));
  cluster_[0].rpc().ReviewStreams();
  ASSERT_TRUE(tail->Read(&response)) << "a review leaves those alone who may";
  Revoke(reader_);
  cluster_[0].rpc().ReviewStreams();
  while (tail->Read(&response)) {
  }
  EXPECT_EQ(ReasonOf(tail->Finish()), v1::REASON_UNAUTHENTICATED);
}

TEST_F(AuthTest, ALostGrantEndsATailAndAnAppendStream) {
  const std::string both = Add("both", {{"a/*", {v1::RIGHT_APPEND, v1::RIGHT_READ}}});
  grpc::ClientContext tail_context;
  Dress(tail_context, Bearer(both));
  v1::TailRequest request;
  request.set_log("a/one");
  request.set_from_first(true);
  const auto tail = cluster_[0].log->Tail(&tail_context, request);
  grpc::ClientContext append_context;
  Dress(append_context, Bearer(both));
  const auto stream = cluster_[0].log->AppendStream(&append_context);
  v1::AppendStreamRequest append;
  append.mutable_append()->set_log("a/one");
  append.mutable_append()->add_records()->set_payload("p");
  v1::AppendStreamResponse appended;
  ASSERT_TRUE(stream->Write(append));
  ASSERT_TRUE(stream->Read(&appended));
  ASSERT_TRUE(appended.has_appended()) << appended.message();

  Add("both", {{"ab", {v1::RIGHT_APPEND, v1::RIGHT_READ}}});
  AwaitPolicy();
  ASSERT_TRUE(stream->Write(append));
  ASSERT_TRUE(stream->Read(&appended));
  EXPECT_EQ(appended.refused().reason(), v1::REASON_PERMISSION_DENIED);
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
  cluster_[0].rpc().ReviewStreams();
  v1::TailResponse response;
  while (tail->Read(&response)) {
  }
  EXPECT_EQ(ReasonOf(tail->Finish()), v1::REASON_PERMISSION_DENIED);
}

TEST_F(AuthTest, ARevocationEndsAnIdleAppendStream) {
  grpc::ClientContext context;
  Dress(context, Bearer(appender_));
  const auto stream = cluster_[0].log->AppendStream(&context);
  v1::AppendStreamRequest append;
  append.mutable_append()->set_log("a/one");
  append.mutable_append()->add_records()->set_payload("p");
  v1::AppendStreamResponse appended;
  ASSERT_TRUE(stream->Write(append));
  ASSERT_TRUE(stream->Read(&appended));
  Revoke(appender_);
  cluster_[0].rpc().ReviewStreams();
  EXPECT_FALSE(stream->Read(&appended));
  EXPECT_EQ(ReasonOf(stream->Finish()), v1::REASON_UNAUTHENTICATED);
}

TEST_F(AuthTest, RenewalsOfAStreamAreJudgedOneByOne) {
  grpc::ClientContext context;
  Dress(context, Bearer(holder_));
  const auto stream = cluster_[0].lease->KeepAlive(&context);
  for (const auto& [log, want] :
       {std::pair{"b", v1::REASON_PERMISSION_DENIED}, std::pair{"a/one", v1::REASON_LEASE_LOST}}) {
    v1::KeepAliveRequest request;
    request.mutable_renew()->set_log(log);
    request.mutable_renew()->set_log_id(ids_[log]);
    request.mutable_renew()->set_epoch(1);
    v1::KeepAliveResponse response;
    ASSERT_TRUE(stream->Write(request));
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_EQ(response.refused().reason(), want) << response.message();
  }
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

class AuthClusterTest : public AuthTest {
 protected:
  AuthClusterTest() : AuthTest(3) {}
};

TEST_F(AuthClusterTest, AnyNodeTakesATokenAlsoOfACallThatItPassesOn) {
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(Append(Bearer(appender_), "a/one", i).ok()) << "node " << i;
    EXPECT_EQ(ReasonOf(Append(Bearer(appender_), "b", i)), v1::REASON_PERMISSION_DENIED);
    EXPECT_EQ(ReasonOf(Append({}, "a/one", i)), v1::REASON_UNAUTHENTICATED);
    v1::CreateTokenRequest create;
    create.set_principal("appender");
    v1::CreateTokenResponse created;
    // Raw calls are not repeated by anybody else when a leadership moves.
    grpc::Status status;
    ASSERT_TRUE(Eventually([&] {
      status = As(Bearer(ops_), *auth_[i], &Auth::CreateToken, create, &created);
      return status.ok();
    })) << status.error_message();
    // The log's leader may apply it a moment later.
    EXPECT_TRUE(Eventually([&] { return Append(Bearer(created.token()), "a/one", i).ok(); }))
        << "a token of node " << i;
    v1::CanIStopRequest stop;
    stop.set_node_id(1);
    v1::CanIStopResponse advice;
    EXPECT_TRUE(As(Bearer(ops_), *cluster_[i].cluster, &Clusters::CanIStop, stop, &advice).ok());
    EXPECT_TRUE(advice.can_stop()) << "the others told whoever asked on behalf of ops";
  }
}

TEST_F(AuthClusterTest, ThePolicyFollowsALeaderChange) {
  const size_t leader = cluster_.LeaderOf("catalog");
  cluster_.Stop(leader);
  const size_t other = (leader + 1) % 3;
  EXPECT_TRUE(Eventually([&] { return Append(Bearer(appender_), "a/one", other).ok(); }));
  EXPECT_EQ(ReasonOf(Append(Bearer(reader_), "a/one", other)), v1::REASON_PERMISSION_DENIED);
  v1::RevokeTokenRequest revoke;
  revoke.set_id(std::string(ParseToken(appender_)->id));
  EXPECT_TRUE(Eventually([&] {
    const grpc::Status status = As(Bearer(ops_), *auth_[other], &Auth::RevokeToken, revoke);
    return status.ok() || ReasonOf(status) == v1::REASON_NO_SUCH_PRINCIPAL;
  }));
  EXPECT_EQ(ReasonOf(Append(Bearer(appender_), "a/one", other)), v1::REASON_UNAUTHENTICATED);
}

}  // namespace
}  // namespace cairn::rpc
