// AccessPolicy: patterns and their edges, what is refused, that nobody is locked out, and that what
// Judge accepts applies on every node alike.
#include "server/access_policy.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/catalog.h"

namespace cairn::server {
namespace {

using cairn::v1::PolicyChange;
using ::testing::HasSubstr;

struct GrantSpec {
  std::string pattern;
  std::vector<cairn::v1::Right> rights;
};

PolicyChange Put(const std::string& name, const std::vector<GrantSpec>& grants = {},
                 const std::vector<std::string>& certificate_names = {}) {
  PolicyChange change;
  cairn::v1::Principal& principal = *change.mutable_principal_put();
  principal.set_name(name);
  for (const GrantSpec& spec : grants) {
    cairn::v1::Grant& grant = *principal.add_grants();
    grant.set_pattern(spec.pattern);
    for (const cairn::v1::Right right : spec.rights) grant.add_rights(right);
  }
  for (const std::string& certificate : certificate_names) {
    principal.add_certificate_names(certificate);
  }
  return change;
}

PolicyChange Delete(const std::string& name) {
  PolicyChange change;
  change.set_principal_deleted(name);
  return change;
}

PolicyChange Token(const std::string& principal, char id) {
  PolicyChange change;
  cairn::v1::StoredToken& token = *change.mutable_token_created();
  token.mutable_info()->set_id(std::string(16, id));
  token.mutable_info()->set_principal(principal);
  token.set_secret_sha256(std::string(32, id));
  return change;
}

std::string NumberedId(size_t i) { return fmt::format("{:016x}", i); }

PolicyChange NumberedToken(const std::string& principal, size_t i) {
  PolicyChange change = Token(principal, '0');
  change.mutable_token_created()->mutable_info()->set_id(NumberedId(i));
  return change;
}

PolicyChange RevokeNumbered(size_t i) {
  PolicyChange change;
  change.set_token_revoked(NumberedId(i));
  return change;
}

PolicyChange Revoke(char id) {
  PolicyChange change;
  change.set_token_revoked(std::string(16, id));
  return change;
}

PolicyChange PutQuota(const std::string& tenant, uint64_t bytes, uint64_t appends) {
  PolicyChange change;
  cairn::v1::TenantQuota& quota = *change.mutable_tenant_quota_put();
  quota.set_tenant(tenant);
  quota.set_append_bytes_per_second(bytes);
  quota.set_appends_per_second(appends);
  return change;
}

PolicyChange DeleteQuota(const std::string& tenant) {
  PolicyChange change;
  change.set_tenant_quota_deleted(tenant);
  return change;
}

PolicyChange Enable(bool on = true) {
  PolicyChange change;
  change.set_enabled(on);
  return change;
}

cairn::v1::CatalogCommand Formed() {
  cairn::v1::CatalogCommand command;
  command.mutable_cluster_formed()->set_cluster_id("c");
  cairn::v1::Member& member = *command.mutable_cluster_formed()->add_members();
  member.set_node_id(1);
  member.set_name("n1");
  member.set_address("127.0.0.1:1");
  return command;
}

const GrantSpec kAdminOfAll = {"*", {cairn::v1::RIGHT_ADMIN}};

class AccessPolicyTest : public ::testing::Test {
 protected:
  // Judges, expects a change, applies it.
  void Commit(const PolicyChange& change) {
    const auto verdict = policy_.Judge(change);
    const auto* recorded = std::get_if<PolicyChange>(&verdict);
    ASSERT_NE(recorded, nullptr) << Said(verdict);
    EXPECT_EQ(policy_.Apply(Seq(++seq_), *recorded), "");
    EXPECT_EQ(policy_.version(), Seq(seq_));
  }
  Rejection Refused(const PolicyChange& change) {
    const auto verdict = policy_.Judge(change);
    const auto* rejection = std::get_if<Rejection>(&verdict);
    EXPECT_NE(rejection, nullptr);
    return rejection == nullptr ? Rejection() : *rejection;
  }
  static std::string Said(const AccessPolicy::Verdict& verdict) {
    const auto* rejection = std::get_if<Rejection>(&verdict);
    return rejection == nullptr ? "unchanged" : rejection->message;
  }

  AccessPolicy policy_;
  uint64_t seq_ = 0;
};

TEST(AccessGrantTest, PatternsCoverWhatTheySay) {
  struct Case {
    const char* pattern;
    const char* log;
    bool covers;
  };
  const Case cases[] = {
      {"a/*", "a/b", true},    {"a/*", "a/", true}, {"a/*", "ab", false},    {"a/*", "a", false},
      {"a/*", "b/a/c", false}, {"a*", "ab", true},  {"a*", "a", true},       {"a", "a", true},
      {"a", "ab", false},      {"a", "A", false},   {"*", "anything", true}, {"orders", "", false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(std::string(c.pattern) + " on " + c.log);
    EXPECT_EQ((AccessGrant{c.pattern, 1}.Covers(c.log)), c.covers);
  }
}

TEST_F(AccessPolicyTest, RightsAreThoseOfAllGrantsThatCoverTheLog) {
  Commit(Put("app",
             {{"orders/*", {cairn::v1::RIGHT_APPEND}}, {"orders/eu", {cairn::v1::RIGHT_READ}}}));
  const AccessPrincipal* app = policy_.Find("app");
  ASSERT_NE(app, nullptr);
  EXPECT_EQ(app->RightsOn("orders/eu"),
            SetOf(cairn::v1::RIGHT_APPEND) | SetOf(cairn::v1::RIGHT_READ));
  EXPECT_EQ(app->RightsOn("orders/us"), SetOf(cairn::v1::RIGHT_APPEND));
  EXPECT_EQ(app->RightsOn("orders"), 0u);
}

TEST_F(AccessPolicyTest, AdminOfAPrefixIsNoAdminOfThePolicy) {
  Commit(Put("app", {{"a*", {cairn::v1::RIGHT_ADMIN}}}));
  Commit(Put("ops", {kAdminOfAll}));
  EXPECT_FALSE(policy_.Find("app")->IsAdmin());
  EXPECT_TRUE(policy_.Find("ops")->IsAdmin());
}

TEST_F(AccessPolicyTest, MalformedPrincipalsAreRefusedWithASentence) {
  struct Case {
    PolicyChange change;
    const char* says;
  };
  std::vector<GrantSpec> many;
  for (int i = 0; i < 65; ++i) many.push_back({"l" + std::to_string(i), {cairn::v1::RIGHT_READ}});
  const Case cases[] = {
      {Put(""), "has 0 bytes"},
      {Put(std::string(256, 'x')), "has 256 bytes"},
      {Put("a b"), "none of A-Z"},
      {Put("root"), "root token's"},
      {Put("a", {{"x y", {cairn::v1::RIGHT_READ}}}), "neither a log's name"},
      {Put("a", {{"a*b", {cairn::v1::RIGHT_READ}}}), "neither a log's name"},
      {Put("a", {{"", {cairn::v1::RIGHT_READ}}}), "neither a log's name"},
      {Put("a", {{"x", {}}}), "has no right"},
      {Put("a", {{"x", {cairn::v1::RIGHT_READ, cairn::v1::RIGHT_READ}}}), "right twice"},
      {Put("a", {{"x", {cairn::v1::RIGHT_UNSPECIFIED}}}), "unknown right"},
      {Put("a", {{"x", {cairn::v1::RIGHT_READ}}, {"x", {cairn::v1::RIGHT_APPEND}}}), "two grants"},
      {Put("a", many), "65 grants"},
      {Put("a", {}, {"n", "n"}), "twice"},
      {Put("a", {}, std::vector<std::string>(17, "n")), "17 certificate names"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.says);
    const Rejection rejection = Refused(c.change);
    EXPECT_EQ(rejection.info.reason(), cairn::v1::REASON_INVALID);
    EXPECT_THAT(rejection.message, HasSubstr(c.says));
    EXPECT_NE(policy_.Apply(Seq(1), c.change), "") << "what is refused does not apply either";
  }
  EXPECT_EQ(policy_.version(), Seq(0));
}

TEST_F(AccessPolicyTest, ACertificateNameStandsForOnePrincipal) {
  Commit(Put("a", {}, {"x.example"}));
  EXPECT_THAT(Refused(Put("b", {}, {"x.example"})).message, HasSubstr("principal a already"));
  EXPECT_EQ(policy_.FindByCertificate("x.example"), policy_.Find("a"));
  Commit(Put("a", {}, {"y.example"}));
  EXPECT_EQ(policy_.FindByCertificate("x.example"), nullptr);
  Commit(Put("b", {}, {"x.example"}));
  Commit(Delete("b"));
  EXPECT_EQ(policy_.FindByCertificate("x.example"), nullptr);
}

TEST_F(AccessPolicyTest, AChangeOfAnotherVersionIsRefused) {
  Commit(Put("a"));
  PolicyChange stale = Put("b");
  stale.set_if_version(0);
  const Rejection rejection = Refused(stale);
  EXPECT_EQ(rejection.info.reason(), cairn::v1::REASON_CONDITION_FAILED);
  EXPECT_EQ(rejection.info.last_seq(), 1u);
  stale.set_if_version(1);
  Commit(stale);
}

TEST_F(AccessPolicyTest, WhatIsAlreadySoIsNotRecorded) {
  Commit(Put("a", {kAdminOfAll}));
  EXPECT_TRUE(
      std::holds_alternative<AccessPolicy::Unchanged>(policy_.Judge(Put("a", {kAdminOfAll}))));
  EXPECT_TRUE(std::holds_alternative<AccessPolicy::Unchanged>(policy_.Judge(Enable(false))));
}

TEST_F(AccessPolicyTest, TokensGoWithTheirPrincipal) {
  EXPECT_EQ(Refused(Token("a", '1')).info.reason(), cairn::v1::REASON_NO_SUCH_PRINCIPAL);
  Commit(Put("a"));
  Commit(Token("a", '1'));
  EXPECT_EQ(Refused(Token("a", '1')).info.reason(), cairn::v1::REASON_INVALID) << "the id is taken";
  Commit(Delete("a"));
  EXPECT_EQ(policy_.FindToken(std::string(16, '1')), nullptr);
  EXPECT_EQ(Refused(Revoke('1')).info.reason(), cairn::v1::REASON_NO_SUCH_PRINCIPAL);
  EXPECT_EQ(Refused(Delete("a")).info.reason(), cairn::v1::REASON_NO_SUCH_PRINCIPAL);
}

TEST_F(AccessPolicyTest, ItIsNotTurnedOnWithoutAnAdminWhoCanLogIn) {
  EXPECT_EQ(Refused(Enable()).info.reason(), cairn::v1::REASON_LOCK_OUT);
  Commit(Put("ops", {kAdminOfAll}));
  EXPECT_EQ(Refused(Enable()).info.reason(), cairn::v1::REASON_LOCK_OUT);
  Commit(Put("app", {{"a*", {cairn::v1::RIGHT_ADMIN}}}));
  Commit(Token("app", '2'));
  EXPECT_EQ(Refused(Enable()).info.reason(), cairn::v1::REASON_LOCK_OUT);
  Commit(Token("ops", '1'));
  Commit(Enable());
  EXPECT_TRUE(policy_.enabled());
}

TEST_F(AccessPolicyTest, WhileItIsOnItsLastAdminStays) {
  Commit(Put("ops", {kAdminOfAll}));
  Commit(Token("ops", '1'));
  Commit(Enable());
  for (const PolicyChange& change :
       {Delete("ops"), Revoke('1'), Put("ops", {}), Put("ops", {{"*", {cairn::v1::RIGHT_READ}}})}) {
    EXPECT_EQ(Refused(change).info.reason(), cairn::v1::REASON_LOCK_OUT);
  }
  Commit(Put("other", {kAdminOfAll}, {"other.example"}));
  Commit(Delete("ops"));
  EXPECT_EQ(Refused(Put("other", {kAdminOfAll})).info.reason(), cairn::v1::REASON_LOCK_OUT);
  Commit(Enable(false));
  Commit(Delete("other"));
}

TEST_F(AccessPolicyTest, AQuotaIsOfATenantWhetherOrNotItHasPrincipals) {
  EXPECT_EQ(policy_.FindQuota("shop"), nullptr);
  EXPECT_EQ(Refused(DeleteQuota("shop")).info.reason(), cairn::v1::REASON_NO_SUCH_PRINCIPAL);
  Commit(PutQuota("shop", 4096, 0));
  EXPECT_TRUE(
      std::holds_alternative<AccessPolicy::Unchanged>(policy_.Judge(PutQuota("shop", 4096, 0))));
  Commit(PutQuota("shop", 0, 7));
  ASSERT_NE(policy_.FindQuota("shop"), nullptr);
  EXPECT_EQ(*policy_.FindQuota("shop"), (TenantQuota{.tenant = "shop", .appends_per_second = 7}))
      << "it is replaced as a whole";
  Commit(DeleteQuota("shop"));
  EXPECT_EQ(policy_.FindQuota("shop"), nullptr);
}

TEST_F(AccessPolicyTest, MalformedQuotasAreRefusedWithASentence) {
  struct Case {
    PolicyChange change;
    const char* says;
  };
  const Case cases[] = {
      {PutQuota("", 4096, 0), "has 0 bytes"},
      {PutQuota("a b", 4096, 0), "none of A-Z"},
      {PutQuota(std::string(256, 'x'), 4096, 0), "has 256 bytes"},
      {PutQuota("shop", 1023, 5), "allowed are 0 and 1024 or more"},
      {PutQuota("shop", 0, 0), "limits nothing"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.says);
    const Rejection rejection = Refused(c.change);
    EXPECT_EQ(rejection.info.reason(), cairn::v1::REASON_INVALID);
    EXPECT_THAT(rejection.message, HasSubstr(c.says));
    EXPECT_NE(policy_.Apply(Seq(1), c.change), "");
  }
  Commit(PutQuota("shop", 1024, 0));
}

// A policy as large as it may be still takes changes of what it has, and nothing more.
TEST_F(AccessPolicyTest, AtItsBoundsTheNextIsRefusedAndTheRestGoesOn) {
  const auto name = [](size_t i) { return "p" + std::to_string(i); };
  for (size_t i = 0; i < AccessPolicy::kMaxPrincipals; ++i) Commit(Put(name(i), {kAdminOfAll}));
  for (size_t i = 0; i < AccessPolicy::kMaxTenantQuotas; ++i) Commit(PutQuota(name(i), 4096, 1));
  Commit(NumberedToken("p0", 0));
  Commit(Enable());
  for (size_t i = 1; i < AccessPolicy::kMaxTokens; ++i) Commit(NumberedToken("p0", i));
  struct Case {
    PolicyChange change;
    const char* says;
    uint64_t limit;
  };
  const Case cases[] = {
      {Put("one-more"), "there are 1000 principals, no more are allowed", 1000},
      {NumberedToken("p1", 10'000), "there are 10000 tokens, no more are allowed", 10'000},
      {PutQuota("one-more", 4096, 1), "there are 1000 quotas of tenants, no more", 1000},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.says);
    const Rejection rejection = Refused(c.change);
    EXPECT_EQ(rejection.info.reason(), cairn::v1::REASON_TABLE_FULL);
    EXPECT_EQ(rejection.info.limit(), c.limit);
    EXPECT_THAT(rejection.message, HasSubstr(c.says));
    EXPECT_NE(policy_.Apply(Seq(seq_ + 1), c.change), "");
  }
  Commit(Put("p1", {{"orders/*", {cairn::v1::RIGHT_READ}}}));
  Commit(PutQuota("p1", 0, 9));
  Commit(RevokeNumbered(9'999));
  Commit(NumberedToken("p2", 10'000));
  Commit(Delete("p0"));
  EXPECT_EQ(policy_.tokens().size(), 1u) << "p2's";
}

TEST_F(AccessPolicyTest, AnEmptyChangeIsRefusedAndContradicts) {
  EXPECT_EQ(Refused(PolicyChange()).info.reason(), cairn::v1::REASON_INVALID);
  EXPECT_NE(policy_.Apply(Seq(1), PolicyChange()), "");
}

// As many changes as a long life brings are applied at every start of a node.
TEST(CatalogPolicyTest, ALargePolicyIsRebuilt) {
  Catalog catalog;
  uint64_t seq = 0;
  const auto apply = [&](const cairn::v1::CatalogCommand& command) {
    const auto applied = catalog.Apply(Seq(++seq), command.SerializeAsString());
    ASSERT_TRUE(applied.ok()) << applied.status();
  };
  apply(Formed());
  cairn::v1::CatalogCommand command;
  *command.mutable_policy_changed() = Put("ops", {kAdminOfAll});
  apply(command);
  for (size_t i = 0; i < AccessPolicy::kMaxTokens; ++i) {
    *command.mutable_policy_changed() = NumberedToken("ops", i);
    apply(command);
  }
  EXPECT_EQ(catalog.policy()->tokens().size(), AccessPolicy::kMaxTokens);
  EXPECT_EQ(catalog.policy()->version(), Seq(seq));
}

// A catalog without a policy (every catalog of an earlier version) has one that is off; a rebuilt
// one has what the records say.
TEST(CatalogPolicyTest, IsRebuiltFromTheRecords) {
  Catalog first;
  std::vector<std::string> records;
  const auto commit = [&](const CatalogOp& op) {
    auto verdict = first.Judge(op);
    auto* append = std::get_if<Catalog::Append>(&verdict);
    ASSERT_NE(append, nullptr);
    records.push_back(append->payload);
    ASSERT_TRUE(first.Apply(Seq(records.size()), append->payload).ok());
  };
  CatalogOp op;
  op.command = Formed();
  commit(op);
  EXPECT_FALSE(first.policy()->enabled());
  EXPECT_EQ(first.policy()->version(), Seq(0));
  for (const PolicyChange& change : {Put("ops", {kAdminOfAll}), Token("ops", '1'), Enable()}) {
    *op.command.mutable_policy_changed() = change;
    commit(op);
  }
  const std::shared_ptr<const AccessPolicy> before = first.policy();
  Catalog again;
  for (size_t i = 0; i < records.size(); ++i) {
    ASSERT_TRUE(again.Apply(Seq(i + 1), records[i]).ok());
  }
  EXPECT_TRUE(again.policy()->enabled());
  EXPECT_EQ(again.policy()->version(), Seq(4));
  EXPECT_TRUE(again.policy()->Find("ops")->IsAdmin());
  EXPECT_NE(again.policy()->FindToken(std::string(16, '1')), nullptr);
  // A copy that is shared stays as it is.
  *op.command.mutable_policy_changed() = Enable(false);
  commit(op);
  EXPECT_TRUE(before->enabled());
  EXPECT_FALSE(first.policy()->enabled());
}

}  // namespace
}  // namespace cairn::server
