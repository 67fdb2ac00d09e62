// The table of rights against the services as they are defined: a call that is in none, or that was
// forgotten, fails here.
#include "server/rpc/rights.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "cairn/v1/auth.pb.h"
#include "cairn/v1/backup.pb.h"
#include "cairn/v1/cluster.pb.h"
#include "cairn/v1/lease.pb.h"
#include "cairn/v1/log.pb.h"
#include "cairn/v1/peer.pb.h"

namespace cairn::rpc {
namespace {

std::set<std::string> DefinedMethods() {
  const google::protobuf::FileDescriptor* const files[] = {
      v1::AppendRequest::descriptor()->file(),    v1::AcquireRequest::descriptor()->file(),
      v1::StatusRequest::descriptor()->file(),    v1::WhoAmIRequest::descriptor()->file(),
      v1::IntroduceRequest::descriptor()->file(), v1::GetChainRequest::descriptor()->file()};
  std::set<std::string> methods;
  for (const auto* file : files) {
    for (int s = 0; s < file->service_count(); ++s) {
      const auto* service = file->service(s);
      for (int m = 0; m < service->method_count(); ++m) {
        methods.insert("/" + service->full_name() + "/" + service->method(m)->name());
      }
    }
  }
  return methods;
}

TEST(RightsTest, EveryCallOfEveryServiceIsInTheTableOnce) {
  std::multiset<std::string> listed;
  for (const RpcRule& rule : RpcRules()) listed.insert(rule.method);
  const std::set<std::string> defined = DefinedMethods();
  EXPECT_EQ(listed, std::multiset<std::string>(defined.begin(), defined.end()));
  EXPECT_GE(defined.size(), 30u);
}

TEST(RightsTest, OnlyOneCallNeedsNothing) {
  for (const RpcRule& rule : RpcRules()) {
    EXPECT_EQ(rule.need == Need::kNothing, rule.rpc == Rpc::kWhoAmI) << rule.method;
    EXPECT_STREQ(RuleOf(rule.rpc).method, rule.method);
  }
}

TEST(RightsTest, WhatAnAdminChangesIsAudited) {
  for (const RpcRule& rule : RpcRules()) {
    // What an import brings is data, in as many calls as it takes: its begin and end are audited.
    if (rule.need == Need::kAdmin && rule.rpc != Rpc::kImportRecords) {
      EXPECT_TRUE(rule.audited) << rule.method;
    }
  }
}

}  // namespace
}  // namespace cairn::rpc
