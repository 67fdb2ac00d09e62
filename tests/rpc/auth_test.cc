// Attempts to get in: raw calls at a real node whose policy is on, with no credentials, with false
// ones, and with those of somebody who has other rights.
#include <sys/stat.h>

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "server/rpc/rights.h"
#include "tests/rpc/auth_fixture.h"

namespace cairn::rpc {
namespace {

using ::testing::HasSubstr;

// Whatever its handler looks like: without credentials no call but one gets past its first step.
TEST_F(AuthTest, EveryCallIsRefusedWithoutCredentials) {
  for (const RpcRule& rule : RpcRules()) {
    if (rule.need == Need::kNothing || rule.need == Need::kMember) continue;
    SCOPED_TRACE(rule.method);
    const grpc::Status status = RawCall(cluster_[0].channel(), rule.method, "");
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED) << status.error_message();
    EXPECT_EQ(ReasonOf(status), v1::REASON_UNAUTHENTICATED);
    EXPECT_THAT(status.error_message(), HasSubstr("neither a token nor a client certificate"));
  }
}

TEST_F(AuthTest, FalseCredentialsAreRefused) {
  std::string wrong_secret = appender_;
  wrong_secret.back() = wrong_secret.back() == '0' ? '1' : '0';
  const NewToken unknown = DrawToken();
  const Headers cases[] = {
      Bearer(wrong_secret),
      Bearer(unknown.Text()),
      Bearer("cairn_" + std::string(ParseToken(appender_)->id) + "_"),
      Bearer("x"),
      Bearer(std::string(255, 'x')),
      {{kAuthorizationHeader, "Basic " + appender_}},
      {{kAuthorizationHeader, appender_}},
      {{kAuthorizationHeader, "Bearer  " + appender_}},
      {{kAuthorizationHeader, "Bearer " + std::string(4000, 'x')}},
      {{kAuthorizationHeader, "Bearer " + appender_},
       {kAuthorizationHeader, "Bearer " + appender_}},
      {{kAuthorizationHeader, "Bearer " + appender_}, {kAuthorizationHeader, "Bearer " + ops_}},
      // No connection here is a member's.
      {{kOnBehalfOfHeader, "ops"}},
      {{kOnBehalfOfHeader, "root"}},
      {{kOnBehalfOfHeader, "appender"}, {kAuthorizationHeader, "Bearer x"}},
  };
  for (const Headers& headers : cases) {
    SCOPED_TRACE(headers.front().second.substr(0, 40));
    const grpc::Status status = Append(headers, "a/one");
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED) << status.error_message();
    EXPECT_EQ(WhoAmI(headers).principal(), "");
    EXPECT_NE(WhoAmI(headers).refusal(), "");
  }
}

// gRPC itself ends calls whose headers are longer than it takes, and sometimes their connection.
TEST_F(AuthTest, HeadersBeyondAllBoundsGetNowhere) {
  const auto long_one = v1::LogService::NewStub(ChannelTo(cluster_[0].address()));
  v1::AppendRequest request;
  request.set_log("a/one");
  request.add_records()->set_payload("p");
  EXPECT_FALSE(As(Bearer(std::string(64 << 10, 'x')), *long_one, &Logs::Append, request).ok());
  const grpc::Status next = Append(Bearer(appender_), "a/one");
  EXPECT_TRUE(next.ok()) << "the node does not go on: " << next.error_message();
}

TEST_F(AuthTest, ARightHoldsOnTheLogsOfItsPatternOnly) {
  EXPECT_TRUE(Append(Bearer(appender_), "a/one").ok());
  EXPECT_TRUE(Read(Bearer(reader_), "a/one").ok());
  EXPECT_TRUE(Acquire(Bearer(holder_), "a/one").ok());
  for (const char* log : {"ab", "b", "not-there"}) {
    SCOPED_TRACE(log);
    for (const grpc::Status& status : {Append(Bearer(appender_), log), Read(Bearer(reader_), log),
                                       Acquire(Bearer(holder_), log)}) {
      EXPECT_EQ(ReasonOf(status), v1::REASON_PERMISSION_DENIED) << status.error_message();
      EXPECT_THAT(status.error_message(), HasSubstr(log));
    }
  }
}

TEST_F(AuthTest, NoRightIncludesAnother) {
  struct Case {
    const char* name;
    const std::string* token;
    bool append, read, lease;
  };
  const Case cases[] = {{"appender", &appender_, true, false, false},
                        {"reader", &reader_, false, true, false},
                        {"holder", &holder_, false, false, true},
                        {"ops", &ops_, false, false, false}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(Append(Bearer(*c.token), "a/one").ok(), c.append);
    EXPECT_EQ(Read(Bearer(*c.token), "a/one").ok(), c.read);
    EXPECT_EQ(Acquire(Bearer(*c.token), "a/one").ok(), c.lease);
  }
}

TEST_F(AuthTest, OnlyAnAdminAdministers) {
  v1::CreateLogRequest create;
  create.set_name("a/two");
  v1::TransferLeadershipRequest transfer;
  for (const std::string& token : {appender_, reader_, holder_}) {
    const Headers as = Bearer(token);
    EXPECT_EQ(ReasonOf(As(as, *cluster_[0].log, &Logs::CreateLog, create)),
              v1::REASON_PERMISSION_DENIED);
    EXPECT_EQ(ReasonOf(As(as, *cluster_[0].cluster, &Clusters::TransferLeadership, transfer)),
              v1::REASON_PERMISSION_DENIED);
    EXPECT_EQ(ReasonOf(As(as, *auth_[0], &Auth::GetPolicy, v1::GetPolicyRequest())),
              v1::REASON_PERMISSION_DENIED);
    EXPECT_EQ(ReasonOf(As(as, *auth_[0], &Auth::Disable, v1::DisableRequest())),
              v1::REASON_PERMISSION_DENIED);
    v1::CreateTokenRequest of_ops;
    of_ops.set_principal("ops");
    EXPECT_EQ(ReasonOf(As(as, *auth_[0], &Auth::CreateToken, of_ops)),
              v1::REASON_PERMISSION_DENIED);
  }
  EXPECT_TRUE(As(Bearer(ops_), *cluster_[0].log, &Logs::CreateLog, create).ok());
}

// The administrator of some logs makes and deletes those, and nothing else.
TEST_F(AuthTest, AdminOfAPrefixIsNoAdminOfThePolicy) {
  const std::string token = Add("lead", {{"a/*", {v1::RIGHT_ADMIN}}});
  v1::CreateLogRequest create;
  create.set_name("a/three");
  EXPECT_TRUE(As(Bearer(token), *cluster_[0].log, &Logs::CreateLog, create).ok());
  create.set_name("c");
  EXPECT_EQ(ReasonOf(As(Bearer(token), *cluster_[0].log, &Logs::CreateLog, create)),
            v1::REASON_PERMISSION_DENIED);
  EXPECT_EQ(ReasonOf(As(Bearer(token), *auth_[0], &Auth::GetPolicy, v1::GetPolicyRequest())),
            v1::REASON_PERMISSION_DENIED);
}

TEST_F(AuthTest, ListsShowWhatTheCallerMaySee) {
  v1::ListLogsResponse listed;
  EXPECT_TRUE(
      As(Bearer(reader_), *cluster_[0].log, &Logs::ListLogs, v1::ListLogsRequest(), &listed).ok());
  ASSERT_EQ(listed.logs_size(), 1);
  EXPECT_EQ(listed.logs(0).name(), "a/one");
  v1::StatusRequest request;
  request.set_with_groups(true);
  v1::StatusResponse status;
  EXPECT_TRUE(As(Bearer(reader_), *cluster_[0].cluster, &Clusters::Status, request, &status).ok());
  for (const v1::GroupStatus& group : status.groups()) {
    EXPECT_TRUE(group.log_id() == 0 || group.log() == "a/one") << group.log();
  }
  v1::DescribeLogRequest describe;
  describe.set_log("b");
  EXPECT_EQ(ReasonOf(As(Bearer(reader_), *cluster_[0].log, &Logs::DescribeLog, describe)),
            v1::REASON_PERMISSION_DENIED);
}

TEST_F(AuthTest, ATokenEndsWhenItIsRevokedOrExpires) {
  const std::string second = Token("appender");
  EXPECT_TRUE(Append(Bearer(second), "a/one").ok());
  Revoke(second);
  EXPECT_EQ(ReasonOf(Append(Bearer(second), "a/one")), v1::REASON_UNAUTHENTICATED);
  EXPECT_TRUE(Append(Bearer(appender_), "a/one").ok()) << "the other one stays";
  const std::string brief = Token("appender", /*ttl_ms=*/1);
  grpc::Status status;
  EXPECT_TRUE(Eventually([&] { return !(status = Append(Bearer(brief), "a/one")).ok(); }));
  EXPECT_EQ(ReasonOf(status), v1::REASON_UNAUTHENTICATED);
  EXPECT_THAT(status.error_message(), HasSubstr("has expired"));
}

TEST_F(AuthTest, NobodyLocksEverybodyOut) {
  v1::DeletePrincipalRequest request;
  request.set_name("ops");
  EXPECT_EQ(ReasonOf(As(Bearer(ops_), *auth_[0], &Auth::DeletePrincipal, request)),
            v1::REASON_LOCK_OUT);
  EXPECT_TRUE(As(Bearer(ops_), *auth_[0], &Auth::Disable, v1::DisableRequest()).ok());
  EXPECT_TRUE(Append({}, "b").ok()) << "off: everybody may do everything";
  EXPECT_TRUE(As({}, *auth_[0], &Auth::DeletePrincipal, request).ok());
  const grpc::Status refused = As({}, *auth_[0], &Auth::Enable, v1::EnableRequest());
  EXPECT_EQ(ReasonOf(refused), v1::REASON_LOCK_OUT);
}

TEST_F(AuthTest, TheRootTokenOpensEverythingWhileItsFileIsFit) {
  const std::string root(48, 'R');
  EXPECT_EQ(ReasonOf(Append(Bearer(root), "b")), v1::REASON_UNAUTHENTICATED);
  std::ofstream(root_file_) << root << "\n";
  ASSERT_EQ(chmod(root_file_.c_str(), 0600), 0);
  EXPECT_TRUE(Append(Bearer(root), "b").ok());
  EXPECT_EQ(WhoAmI(Bearer(root)).principal(), "root");
  EXPECT_TRUE(As(Bearer(root), *auth_[0], &Auth::GetPolicy, v1::GetPolicyRequest()).ok());
  ASSERT_EQ(chmod(root_file_.c_str(), 0644), 0);
  EXPECT_EQ(ReasonOf(Append(Bearer(root), "b")), v1::REASON_UNAUTHENTICATED);
}

TEST_F(AuthTest, TheAuditHasChangesAndRefusedLoginsAndNoSecret) {
  EXPECT_FALSE(Append(Bearer("stolen-or-guessed"), "a/one").ok());
  EXPECT_FALSE(As(Bearer(reader_), *auth_[0], &Auth::Disable, v1::DisableRequest()).ok());
  const std::string audit = AuditOf(0);
  EXPECT_THAT(audit, HasSubstr(R"("principal":"ops","address":"ipv4:127.0.0.1:)"));
  EXPECT_THAT(
      audit,
      HasSubstr(R"("method":"/cairn.v1.LogService/CreateLog","log":"a/one","outcome":"OK")"));
  EXPECT_THAT(
      audit,
      HasSubstr(
          R"("method":"/cairn.v1.LogService/Append","log":"a/one","outcome":"REASON_UNAUTHENTICATED")"));
  EXPECT_THAT(
      audit,
      HasSubstr(
          R"("method":"/cairn.v1.AuthService/Disable","log":"","outcome":"REASON_PERMISSION_DENIED")"));
  for (const std::string& token : {ops_, appender_, reader_, std::string("stolen-or-guessed")}) {
    EXPECT_EQ(audit.find(token), std::string::npos);
  }
  EXPECT_EQ(audit.find(ParseToken(ops_)->secret), std::string::npos);
  // Renamed, as log rotation does: the next line is in a new file.
  const std::string path = audit_file_ + "n1";
  ASSERT_EQ(rename(path.c_str(), (path + ".1").c_str()), 0);
  Add("later", {});
  EXPECT_THAT(AuditOf(0), HasSubstr("PutPrincipal"));
}

}  // namespace
}  // namespace cairn::rpc
