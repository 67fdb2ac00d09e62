// Views of the policy: what `cairn auth …` prints.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "cairn/access.h"
#include "cli/view.h"

namespace cairn::cli {

// "append,read" in a list; "all" is every right. Errors: kInvalidArgument.
absl::StatusOr<std::vector<Right>> ParseRights(std::string_view text);
// "append,read", in that order.
std::string FormatRights(const std::vector<Right>& rights);

struct GrantView {
  std::string pattern;
  std::string rights;
  template <class F>
  void Fields(F&& field) const {
    field("pattern", pattern);
    field("rights", rights);
  }
};
std::vector<GrantView> GrantViewsOf(const std::vector<Grant>& grants);

struct TokenView {
  std::string id;
  std::string principal;
  LogTime created_us;
  LogTime expires_us;  // 0: never.
  static TokenView From(const TokenInfo& token);
  template <class F>
  void Fields(F&& field) const {
    field("id", id);
    field("principal", principal);
    field("created_us", created_us);
    field("expires_us", expires_us);
  }
};

struct TokenListView {
  std::vector<TokenView> tokens;
  template <class F>
  void Fields(F&& field) const {
    field("tokens", tokens);
  }
};

// A token with its secret, or the file that got it.
struct NewTokenView {
  TokenView token;
  std::string text;
  std::string file;
  template <class F>
  void Fields(F&& field) const {
    token.Fields(field);
    if (file.empty()) field("token", text);
    if (!file.empty()) field("file", file);
  }
};

struct PrincipalView {
  std::string principal;
  std::string tenant;
  std::vector<std::string> certificate_names;
  std::vector<GrantView> grants;
  std::vector<TokenView> tokens;
  static PrincipalView From(const Principal& principal, const std::vector<TokenInfo>& tokens);
  template <class F>
  void Fields(F&& field) const {
    field("principal", principal);
    field("tenant", tenant);
    field("certificate_names", certificate_names);
    field("grants", grants);
    field("tokens", tokens);
  }
};

struct PrincipalRowView {
  std::string principal;
  std::string tenant;
  std::string grants;  // "orders/*=append,read *=admin"
  uint64_t tokens = 0;
  template <class F>
  void Fields(F&& field) const {
    field("principal", principal);
    field("tenant", tenant);
    field("grants", grants);
    field("tokens", tokens);
  }
};

struct PrincipalListView {
  std::vector<PrincipalRowView> principals;
  static PrincipalListView From(const Policy& policy);
  template <class F>
  void Fields(F&& field) const {
    field("principals", principals);
  }
};

// "10 MiB and 2000 requests a second"
std::string FormatQuota(const TenantQuota& quota);

struct QuotaRowView {
  std::string tenant;
  ByteCount append_bytes_per_second;  // 0: no limit.
  uint64_t appends_per_second = 0;    // 0: no limit.
  uint64_t principals = 0;            // That count against it.
  template <class F>
  void Fields(F&& field) const {
    field("tenant", tenant);
    field("append_bytes_per_second", append_bytes_per_second);
    field("appends_per_second", appends_per_second);
    field("principals", principals);
  }
};

// All tenants: those that have a quota, and those that principals belong to.
struct QuotaListView {
  std::vector<QuotaRowView> tenants;
  static QuotaListView From(const Policy& policy);
  template <class F>
  void Fields(F&& field) const {
    field("tenants", tenants);
  }
};

struct PolicyView {
  bool enabled = false;
  uint64_t version = 0;
  uint64_t principals = 0;
  uint64_t tokens = 0;
  uint64_t tenant_quotas = 0;
  template <class F>
  void Fields(F&& field) const {
    field("enabled", enabled);
    field("version", version);
    field("principals", principals);
    field("tokens", tokens);
    field("tenant_quotas", tenant_quotas);
  }
};

struct IdentityView {
  bool enabled = false;
  std::string principal;
  std::string tenant;
  std::string by;
  LogTime expires_us;
  std::string refusal;
  ByteCount append_bytes_per_second;  // The tenant's quota; 0: no limit.
  uint64_t appends_per_second = 0;
  std::vector<GrantView> grants;
  static IdentityView From(const Identity& identity);
  template <class F>
  void Fields(F&& field) const {
    field("enabled", enabled);
    field("principal", principal);
    field("tenant", tenant);
    field("by", by);
    field("expires_us", expires_us);
    field("refusal", refusal);
    field("append_bytes_per_second", append_bytes_per_second);
    field("appends_per_second", appends_per_second);
    field("grants", grants);
  }
};

// What a finished change says in JSON.
struct PolicyChangedView {
  uint64_t version = 0;
  template <class F>
  void Fields(F&& field) const {
    field("version", version);
  }
};

}  // namespace cairn::cli
