// Nodes whose policy is on, and principals with a right each, for tests that try to get in.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cairn/v1/auth.grpc.pb.h"
#include "tests/integration/process.h"
#include "tests/rpc/test_node.h"

namespace cairn::rpc {

using Auth = v1::AuthService::Stub;
using Logs = v1::LogService::Stub;
using Leases = v1::LeaseService::Stub;
using Clusters = v1::ClusterService::Stub;
using Headers = std::vector<std::pair<std::string, std::string>>;

inline Headers Bearer(const std::string& token) {
  if (token.empty()) return {};
  return {{kAuthorizationHeader, "Bearer " + token}};
}

inline void Dress(grpc::ClientContext& context, const Headers& headers) {
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  for (const auto& [name, value] : headers) context.AddMetadata(name, value);
}

template <class Stub, class Request, class Response>
grpc::Status As(const Headers& headers, Stub& stub,
                grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                const Request& request, Response* response = nullptr) {
  grpc::ClientContext context;
  Dress(context, headers);
  Response own;
  return (stub.*method)(&context, request, response != nullptr ? response : &own);
}

struct GrantSpec {
  std::string pattern;
  std::vector<v1::Right> rights;
};

// Nodes with logs "a/one", "ab" and "b", and principals: ops (admin of all), appender (append on
// a/*), reader (read on a/*), holder (lease on a/*).
class AuthTest : public ::testing::Test {
 protected:
  explicit AuthTest(size_t nodes = 1)
      : root_file_(dir_.File("root")),
        audit_file_(dir_.File("audit")),
        cluster_(nodes, [this](server::NodeConfig& config) {
          config.root_token_file = root_file_;
          config.audit_file = audit_file_ + config.name;
        }) {}

  void SetUp() override {
    for (const char* log : {"a/one", "ab", "b"}) ids_[log] = cluster_.Create(log);
    for (size_t i = 0; i < cluster_.size(); ++i) {
      auth_.push_back(v1::AuthService::NewStub(cluster_[i].channel()));
    }
    ops_ = Add("ops", {{"*", {v1::RIGHT_ADMIN}}});
    appender_ = Add("appender", {{"a/*", {v1::RIGHT_APPEND}}});
    reader_ = Add("reader", {{"a/*", {v1::RIGHT_READ}}});
    holder_ = Add("holder", {{"a/*", {v1::RIGHT_LEASE}}});
    ASSERT_TRUE(As({}, *auth_[0], &Auth::Enable, v1::EnableRequest()).ok());
    AwaitPolicy();
  }

  // Makes a principal, and returns a token of its.
  std::string Add(const std::string& name, const std::vector<GrantSpec>& grants,
                  uint64_t ttl_ms = 0, const std::string& tenant = "") {
    v1::PutPrincipalRequest put;
    put.mutable_principal()->set_name(name);
    put.mutable_principal()->set_tenant(tenant);
    for (const GrantSpec& spec : grants) {
      v1::Grant& grant = *put.mutable_principal()->add_grants();
      grant.set_pattern(spec.pattern);
      for (const v1::Right right : spec.rights) grant.add_rights(right);
    }
    const grpc::Status status = As(Bearer(ops_), *auth_[0], &Auth::PutPrincipal, put);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return Token(name, ttl_ms);
  }
  std::string Token(const std::string& principal, uint64_t ttl_ms = 0) {
    v1::CreateTokenRequest create;
    create.set_principal(principal);
    create.set_ttl_ms(ttl_ms);
    v1::CreateTokenResponse created;
    const grpc::Status status = As(Bearer(ops_), *auth_[0], &Auth::CreateToken, create, &created);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return created.token();
  }
  void Revoke(const std::string& token) {
    v1::RevokeTokenRequest revoke;
    revoke.set_id(std::string(ParseToken(token)->id));
    const grpc::Status status = As(Bearer(ops_), *auth_[0], &Auth::RevokeToken, revoke);
    EXPECT_TRUE(status.ok()) << status.error_message();
    AwaitPolicy();
  }
  // Until every node has the policy that the first one has.
  void AwaitPolicy() {
    const Seq version = cluster_[0].node().access().policy()->version();
    EXPECT_TRUE(Eventually([&] {
      for (size_t i = 0; i < cluster_.size(); ++i) {
        if (cluster_[i].node().access().policy()->version() < version) return false;
      }
      return true;
    }));
  }

  grpc::Status Append(const Headers& headers, const std::string& log, size_t node = 0) {
    v1::AppendRequest request;
    request.set_log(log);
    request.add_records()->set_payload("p");
    return As(headers, *cluster_[node].log, &Logs::Append, request);
  }
  grpc::Status Read(const Headers& headers, const std::string& log) {
    grpc::ClientContext context;
    Dress(context, headers);
    v1::ReadRequest request;
    request.set_log(log);
    request.set_start_seq(1);
    const auto reader = cluster_[0].log->Read(&context, request);
    v1::ReadResponse response;
    while (reader->Read(&response)) {
    }
    return reader->Finish();
  }
  grpc::Status Acquire(const Headers& headers, const std::string& log) {
    v1::AcquireRequest request;
    request.set_log(log);
    request.set_log_id(ids_[log]);
    request.set_holder("h");
    request.set_ttl_ms(1000);
    return As(headers, *cluster_[0].lease, &Leases::Acquire, request);
  }
  v1::WhoAmIResponse WhoAmI(const Headers& headers) {
    v1::WhoAmIResponse response;
    EXPECT_TRUE(As(headers, *auth_[0], &Auth::WhoAmI, v1::WhoAmIRequest(), &response).ok());
    return response;
  }
  std::string AuditOf(size_t node) {
    return integration::ReadWholeFile(audit_file_ + "n" + std::to_string(node + 1));
  }

  testing::TempDir dir_;
  const std::string root_file_;
  const std::string audit_file_;
  TestCluster cluster_;
  std::map<std::string, uint64_t> ids_;
  std::vector<std::unique_ptr<Auth>> auth_;
  std::string ops_;
  std::string appender_;
  std::string reader_;
  std::string holder_;
};

}  // namespace cairn::rpc
