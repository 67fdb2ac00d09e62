// What `cairn auth …` prints of quotas and tenants, as text and as JSON.
#include "cli/auth_views.h"

#include <gtest/gtest.h>

#include "cli/output.h"

namespace cairn::cli {
namespace {

Policy Sample() {
  Policy policy;
  policy.principals = {{.name = "cart", .tenant = "shop", .certificate_names = {}, .grants = {}},
                       {.name = "orders", .tenant = "shop", .certificate_names = {}, .grants = {}},
                       {.name = "ops", .tenant = "", .certificate_names = {}, .grants = {}}};
  policy.tenant_quotas = {
      {.tenant = "guests", .append_bytes_per_second = 0, .appends_per_second = 5},
      {.tenant = "shop", .append_bytes_per_second = 10 << 20, .appends_per_second = 0}};
  return policy;
}

TEST(QuotaViewTest, AllTenantsAreListedWithTheirLimits) {
  const QuotaListView view = QuotaListView::From(Sample());
  EXPECT_EQ(ToText(view, false),
            "TENANT  APPEND BYTES PER SECOND  APPENDS PER SECOND  PRINCIPALS\n"
            "guests                      0 B                   5           0\n"
            "ops                         0 B                   0           1\n"
            "shop                   10.0 MiB                   0           2\n");
  EXPECT_EQ(
      DumpJson(ToJson(view)),
      R"({"tenants":[)"
      R"({"tenant":"guests","append_bytes_per_second":0,"appends_per_second":5,"principals":0},)"
      R"({"tenant":"ops","append_bytes_per_second":0,"appends_per_second":0,"principals":1},)"
      R"({"tenant":"shop","append_bytes_per_second":10485760,"appends_per_second":0,"principals":2}]})");
}

TEST(QuotaViewTest, AQuotaInWordsNamesTheLimitsThatThereAre) {
  const std::vector<TenantQuota> quotas = Sample().tenant_quotas;
  EXPECT_EQ(FormatQuota(quotas[0]), "5 requests a second");
  EXPECT_EQ(FormatQuota(quotas[1]), "10.0 MiB a second");
  EXPECT_EQ(FormatQuota({"shop", 2048, 7}), "2.0 KiB and 7 requests a second");
}

TEST(IdentityViewTest, ItShowsTheTenantsQuota) {
  Identity identity;
  identity.enabled = true;
  identity.principal = "cart";
  identity.tenant = "shop";
  identity.by = "token";
  identity.quota = Sample().tenant_quotas[1];
  EXPECT_EQ(
      DumpJson(ToJson(IdentityView::From(identity))),
      R"({"enabled":true,"principal":"cart","tenant":"shop","by":"token","expires_us":0,)"
      R"("refusal":"","append_bytes_per_second":10485760,"appends_per_second":0,"grants":[]})");
}

}  // namespace
}  // namespace cairn::cli
