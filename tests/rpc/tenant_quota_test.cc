// Quotas of tenants on real nodes: who pays, where it is counted, and that nobody else does.
#include <string>

#include "tests/rpc/auth_fixture.h"

namespace cairn::rpc {
namespace {

using ::testing::HasSubstr;

class TenantQuotaTest : public AuthTest {
 protected:
  explicit TenantQuotaTest(size_t nodes = 1) : AuthTest(nodes) {}

  void SetUp() override {
    AuthTest::SetUp();
    cart_ = Add("cart", {{"a/*", {v1::RIGHT_APPEND}}}, 0, "shop");
    orders_ = Add("orders", {{"a*", {v1::RIGHT_APPEND}}}, 0, "shop");
    Limit("shop", {.bytes_per_second = 0, .appends_per_second = 1});
  }

  void Limit(const std::string& tenant, const QuotaRates& rates) {
    v1::PutTenantQuotaRequest put;
    put.mutable_quota()->set_tenant(tenant);
    put.mutable_quota()->set_append_bytes_per_second(rates.bytes_per_second);
    put.mutable_quota()->set_appends_per_second(rates.appends_per_second);
    const grpc::Status status = As(Bearer(ops_), *auth_[0], &Auth::PutTenantQuota, put);
    EXPECT_TRUE(status.ok()) << status.error_message();
    AwaitPolicy();
  }
  grpc::Status Free(const std::string& tenant) {
    v1::DeleteTenantQuotaRequest request;
    request.set_tenant(tenant);
    const grpc::Status status = As(Bearer(ops_), *auth_[0], &Auth::DeleteTenantQuota, request);
    AwaitPolicy();
    return status;
  }
  // The first refusal of appends that come as fast as they go.
  grpc::Status Exhaust(const std::string& token, const std::string& log, size_t node = 0) {
    grpc::Status status;
    for (int i = 0; i < 100 && status.ok(); ++i) status = Append(Bearer(token), log, node);
    return status;
  }

  std::string cart_;
  std::string orders_;
};

TEST_F(TenantQuotaTest, PrincipalsOfATenantShareItAndOthersDoNot) {
  const grpc::Status refused = Exhaust(cart_, "a/one");
  ASSERT_EQ(ReasonOf(refused), v1::REASON_OVERLOADED) << refused.error_message();
  EXPECT_GT(ErrorInfoOf(refused)->retry_after_ms(), kMaxHoldUs / kMicrosPerMilli);
  EXPECT_THAT(refused.error_message(), HasSubstr("tenant shop may take 1 appends a second"));
  for (int i = 0; i < 50; ++i) {
    EXPECT_TRUE(Append(Bearer(appender_), "a/one").ok()) << "a tenant of its own";
  }
  const grpc::Status shared = Exhaust(orders_, "ab");
  EXPECT_THAT(shared.error_message(), HasSubstr("tenant shop")) << "on another log, too";
}

TEST_F(TenantQuotaTest, AStreamIsItsTenantsToo) {
  v1::AppendStreamRequest request;
  request.mutable_append()->set_log("a/one");
  request.mutable_append()->add_records()->set_payload(std::string(64 << 10, 'p'));
  Limit("shop", {.bytes_per_second = 1024, .appends_per_second = 0});
  for (const auto& [token, limited] : {std::pair{cart_, true}, std::pair{appender_, false}}) {
    grpc::ClientContext context;
    Dress(context, Bearer(token));
    const auto stream = cluster_[0].log->AppendStream(&context);
    v1::AppendStreamResponse response;
    ASSERT_TRUE(stream->Write(request));
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_TRUE(response.has_appended()) << response.message();
    ASSERT_TRUE(stream->Write(request));
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_EQ(response.has_refused(), limited);
    if (limited) {
      EXPECT_EQ(response.refused().reason(), v1::REASON_OVERLOADED);
      EXPECT_GT(response.refused().retry_after_ms(), 1000u);
      EXPECT_THAT(response.message(), HasSubstr("tenant shop may take 1024 bytes a second"));
    }
    stream->WritesDone();
    EXPECT_TRUE(stream->Finish().ok());
  }
}

TEST_F(TenantQuotaTest, AChangeHoldsAtOnceAlsoForAnOpenStream) {
  grpc::ClientContext context;
  Dress(context, Bearer(cart_));
  const auto stream = cluster_[0].log->AppendStream(&context);
  v1::AppendStreamRequest request;
  request.mutable_append()->set_log("a/one");
  request.mutable_append()->add_records()->set_payload("p");
  ASSERT_EQ(ReasonOf(Exhaust(cart_, "a/one")), v1::REASON_OVERLOADED);
  EXPECT_TRUE(Free("shop").ok());
  for (int i = 0; i < 50; ++i) {
    EXPECT_TRUE(Append(Bearer(cart_), "a/one").ok());
    v1::AppendStreamResponse response;
    ASSERT_TRUE(stream->Write(request));
    ASSERT_TRUE(stream->Read(&response));
    ASSERT_TRUE(response.has_appended()) << response.message();
  }
  EXPECT_EQ(ReasonOf(Free("shop")), v1::REASON_NO_SUCH_PRINCIPAL) << "it has none any more";
  Limit("shop", {.bytes_per_second = 1024, .appends_per_second = 0});
  request.mutable_append()->mutable_records(0)->set_payload(std::string(64 << 10, 'p'));
  v1::AppendStreamResponse response;
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(stream->Write(request));
    ASSERT_TRUE(stream->Read(&response));
  }
  EXPECT_EQ(response.refused().reason(), v1::REASON_OVERLOADED);
}

TEST_F(TenantQuotaTest, WhoHasNoRightUsesNothingUp) {
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(ReasonOf(Append(Bearer(cart_), "b")), v1::REASON_PERMISSION_DENIED);
  }
  EXPECT_TRUE(Append(Bearer(cart_), "a/one").ok());
}

TEST_F(TenantQuotaTest, ItHoldsWhileThePolicyIsOn) {
  ASSERT_EQ(ReasonOf(Exhaust(cart_, "a/one")), v1::REASON_OVERLOADED);
  ASSERT_TRUE(As(Bearer(ops_), *auth_[0], &Auth::Disable, v1::DisableRequest()).ok());
  EXPECT_TRUE(Exhaust(cart_, "a/one").ok()) << "nobody asks who calls";
}

TEST_F(TenantQuotaTest, WhoAmIAndThePolicyTellIt) {
  Limit("shop", {.bytes_per_second = 4096, .appends_per_second = 7});
  const v1::WhoAmIResponse cart = WhoAmI(Bearer(cart_));
  EXPECT_EQ(cart.quota().tenant(), "shop");
  EXPECT_EQ(cart.quota().append_bytes_per_second(), 4096u);
  EXPECT_EQ(cart.quota().appends_per_second(), 7u);
  EXPECT_FALSE(WhoAmI(Bearer(appender_)).has_quota());
  EXPECT_FALSE(WhoAmI({}).has_quota());
  v1::GetPolicyResponse policy;
  EXPECT_TRUE(As(Bearer(ops_), *auth_[0], &Auth::GetPolicy, v1::GetPolicyRequest(), &policy).ok());
  ASSERT_EQ(policy.tenant_quotas_size(), 1);
  EXPECT_EQ(policy.tenant_quotas(0).tenant(), "shop");
  EXPECT_THAT(AuditOf(0), HasSubstr(R"(AuthService/PutTenantQuota","log":"shop","outcome":"OK")"));
}

TEST_F(TenantQuotaTest, MalformedQuotasAreRefused) {
  v1::PutTenantQuotaRequest put;
  put.mutable_quota()->set_tenant("shop");
  EXPECT_EQ(ReasonOf(As(Bearer(ops_), *auth_[0], &Auth::PutTenantQuota, put)), v1::REASON_INVALID);
  put.mutable_quota()->set_append_bytes_per_second(1);
  EXPECT_EQ(ReasonOf(As(Bearer(ops_), *auth_[0], &Auth::PutTenantQuota, put)), v1::REASON_INVALID);
  EXPECT_EQ(ReasonOf(As(Bearer(cart_), *auth_[0], &Auth::PutTenantQuota, put)),
            v1::REASON_PERMISSION_DENIED);
  EXPECT_EQ(ReasonOf(Free("")), v1::REASON_INVALID);
}

class TenantQuotaClusterTest : public TenantQuotaTest {
 protected:
  TenantQuotaClusterTest() : TenantQuotaTest(3) {}

  // Until `log` is led by that node.
  void Move(const std::string& log, size_t node) {
    EXPECT_TRUE(Eventually([&] {
      const size_t leader = cluster_.LeaderOf(log);
      if (leader == node) return true;
      v1::TransferLeadershipRequest request;
      request.set_log(log);
      request.set_to_node_id(cluster_[node].node().Status().node_id.value());
      (void)As(Bearer(ops_), *cluster_[leader].cluster, &Clusters::TransferLeadership, request);
      return false;
    }));
  }
};

// The one that a call came through gives back what it counted, so the leader's figure counts.
TEST_F(TenantQuotaClusterTest, TheNodeThatLeadsTheLogCounts) {
  Move("a/one", 0);
  Move("ab", 1);
  const grpc::Status refused = Exhaust(orders_, "a/one", /*node=*/1);
  EXPECT_THAT(refused.error_message(), HasSubstr("tenant shop")) << "told by the leader";
  EXPECT_TRUE(Append(Bearer(orders_), "ab", 1).ok()) << "another node, another allowance";
  EXPECT_TRUE(Append(Bearer(orders_), "ab", 1).ok());
  EXPECT_EQ(ReasonOf(Exhaust(orders_, "ab", 1)), v1::REASON_OVERLOADED);
}

}  // namespace
}  // namespace cairn::rpc
