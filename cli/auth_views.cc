#include "cli/auth_views.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <utility>

namespace cairn::cli {
namespace {

const std::string& TenantOf(const Principal& principal) {
  return principal.tenant.empty() ? principal.name : principal.tenant;
}

constexpr Right kAllRights[] = {Right::kAppend, Right::kRead, Right::kLease, Right::kAdmin};

}  // namespace

absl::StatusOr<std::vector<Right>> ParseRights(std::string_view text) {
  if (text == "all") return std::vector<Right>(std::begin(kAllRights), std::end(kAllRights));
  std::vector<Right> rights;
  std::istringstream words{std::string(text)};
  for (std::string word; std::getline(words, word, ',');) {
    const auto* right = std::find_if(std::begin(kAllRights), std::end(kAllRights),
                                     [&](Right known) { return RightName(known) == word; });
    if (right == std::end(kAllRights)) {
      return absl::InvalidArgumentError(
          fmt::format("'{}' is no right: give some of append, read, lease, admin with commas "
                      "between, or all",
                      word));
    }
    if (std::find(rights.begin(), rights.end(), *right) == rights.end()) rights.push_back(*right);
  }
  if (!rights.empty()) return rights;
  return absl::InvalidArgumentError(
      "no right was given: give some of append, read, lease, admin, or all");
}

std::string FormatRights(const std::vector<Right>& rights) {
  std::string text;
  for (const Right right : kAllRights) {
    if (std::find(rights.begin(), rights.end(), right) == rights.end()) continue;
    text += (text.empty() ? "" : ",") + std::string(RightName(right));
  }
  return text;
}

std::vector<GrantView> GrantViewsOf(const std::vector<Grant>& grants) {
  std::vector<GrantView> views;
  for (const Grant& grant : grants) views.push_back({grant.pattern, FormatRights(grant.rights)});
  return views;
}

TokenView TokenView::From(const TokenInfo& token) {
  return {.id = token.id,
          .principal = token.principal,
          .created_us = {token.created_at_us},
          .expires_us = {token.expires_at_us}};
}

PrincipalView PrincipalView::From(const Principal& principal,
                                  const std::vector<TokenInfo>& tokens) {
  PrincipalView view{.principal = principal.name,
                     .tenant = TenantOf(principal),
                     .certificate_names = principal.certificate_names,
                     .grants = GrantViewsOf(principal.grants),
                     .tokens = {}};
  for (const TokenInfo& token : tokens) {
    if (token.principal == principal.name) view.tokens.push_back(TokenView::From(token));
  }
  return view;
}

PrincipalListView PrincipalListView::From(const Policy& policy) {
  PrincipalListView view;
  for (const Principal& principal : policy.principals) {
    PrincipalRowView& row = view.principals.emplace_back();
    row.principal = principal.name;
    row.tenant = TenantOf(principal);
    for (const Grant& grant : principal.grants) {
      row.grants += fmt::format("{}{}={}", row.grants.empty() ? "" : " ", grant.pattern,
                                FormatRights(grant.rights));
    }
    row.tokens = static_cast<uint64_t>(
        std::count_if(policy.tokens.begin(), policy.tokens.end(),
                      [&](const TokenInfo& token) { return token.principal == principal.name; }));
  }
  return view;
}

std::string FormatQuota(const TenantQuota& quota) {
  std::vector<std::string> limits;
  if (quota.append_bytes_per_second != 0) {
    limits.push_back(FormatByteCount(quota.append_bytes_per_second));
  }
  if (quota.appends_per_second != 0) {
    limits.push_back(fmt::format("{} requests", quota.appends_per_second));
  }
  return fmt::format("{} a second", fmt::join(limits, " and "));
}

QuotaListView QuotaListView::From(const Policy& policy) {
  std::map<std::string, QuotaRowView> rows;
  for (const Principal& principal : policy.principals) ++rows[TenantOf(principal)].principals;
  for (const TenantQuota& quota : policy.tenant_quotas) {
    QuotaRowView& row = rows[quota.tenant];
    row.append_bytes_per_second = {quota.append_bytes_per_second};
    row.appends_per_second = quota.appends_per_second;
  }
  QuotaListView view;
  for (auto& [tenant, row] : rows) {
    row.tenant = tenant;
    view.tenants.push_back(std::move(row));
  }
  return view;
}

IdentityView IdentityView::From(const Identity& identity) {
  const TenantQuota quota = identity.quota.value_or(TenantQuota());
  return {.enabled = identity.enabled,
          .principal = identity.principal,
          .tenant = identity.tenant,
          .by = identity.by,
          .expires_us = {identity.expires_at_us},
          .refusal = identity.refusal,
          .append_bytes_per_second = {quota.append_bytes_per_second},
          .appends_per_second = quota.appends_per_second,
          .grants = GrantViewsOf(identity.grants)};
}

}  // namespace cairn::cli
