// AccessPolicy: who may do what (proto/cairn/v1/auth.proto): principals with their grants, the
// tokens they show, and the quotas of tenants. A part of the catalog, judged and applied like the
// rest of it.
//
// In the flow: Catalog::Judge -> Judge here -> a record of group 0 -> Apply on every node -> an
//   immutable copy that the services ask (server/rpc/auth.h).
// Deterministic: it knows no clock, so an expired token stays until it is revoked; who asks
//   compares the time.
// Bounds: kMaxPrincipals, kMaxTokens, kMaxTenantQuotas and those of access_checks.h.
// Threads: group 0's worker changes it; a copy that is shared is not changed any more.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cairn/v1/auth.pb.h"
#include "server/group_events.h"

namespace cairn::server {

// Rights as a set: bit N for cairn.v1.Right N.
using RightSet = uint32_t;
constexpr RightSet SetOf(cairn::v1::Right right) { return RightSet{1} << right; }

// The pattern that covers every log.
inline constexpr std::string_view kEveryLog = "*";
// The bearer of a node's root token; no principal may have this name.
inline constexpr std::string_view kRootName = "root";

struct AccessGrant {
  std::string pattern;
  RightSet rights = 0;

  [[nodiscard]] bool Covers(std::string_view log) const;
  bool operator==(const AccessGrant&) const = default;
};

struct AccessPrincipal {
  std::string name;
  std::string tenant;  // As it was put; empty: the name.
  std::vector<std::string> certificate_names;
  std::vector<AccessGrant> grants;

  // What all grants together allow on `log`.
  [[nodiscard]] RightSet RightsOn(std::string_view log) const;
  // Whether it may change the policy itself: `admin` on the pattern "*".
  [[nodiscard]] bool IsAdmin() const;
  bool operator==(const AccessPrincipal&) const = default;
};

struct AccessToken {
  std::string id;
  std::string principal;
  std::string secret_sha256;  // 32 bytes.
  int64_t expires_at_us = 0;  // 0: never.
  int64_t created_at_us = 0;
};

// How much a tenant may append in a second; 0: no limit.
struct TenantQuota {
  std::string tenant;
  uint64_t append_bytes_per_second = 0;
  uint64_t appends_per_second = 0;

  bool operator==(const TenantQuota&) const = default;
};

cairn::v1::Principal ToProto(const AccessPrincipal& principal);
cairn::v1::TokenInfo ToProto(const AccessToken& token);
cairn::v1::TenantQuota ToProto(const TenantQuota& quota);

class AccessPolicy {
 public:
  static constexpr size_t kMaxPrincipals = 1000;
  static constexpr size_t kMaxTokens = 10'000;
  static constexpr size_t kMaxTenantQuotas = 1000;

  // What Judge says when nothing has to be changed.
  struct Unchanged {};
  // The change as it is to be recorded, that nothing needs to be recorded, or a refusal. A change
  // that was accepted applies, if nothing else is applied in between.
  using Verdict = std::variant<cairn::v1::PolicyChange, Unchanged, Rejection>;
  [[nodiscard]] Verdict Judge(const cairn::v1::PolicyChange& change) const;

  // Applies the committed change of the record at `seq`. "" or how it contradicts the policy, which
  // is then unchanged.
  std::string Apply(Seq seq, const cairn::v1::PolicyChange& change);

  [[nodiscard]] bool enabled() const { return enabled_; }
  // Seq of the last change; 0: there was none.
  [[nodiscard]] Seq version() const { return version_; }
  using Principals = std::map<std::string, AccessPrincipal, std::less<>>;
  using Tokens = std::map<std::string, AccessToken, std::less<>>;
  using TenantQuotas = std::map<std::string, TenantQuota, std::less<>>;
  [[nodiscard]] const Principals& principals() const { return principals_; }
  [[nodiscard]] const Tokens& tokens() const { return tokens_; }
  [[nodiscard]] const TenantQuotas& tenant_quotas() const { return tenant_quotas_; }

  // Null when there is none.
  [[nodiscard]] const AccessPrincipal* Find(std::string_view name) const;
  [[nodiscard]] const AccessPrincipal* FindByCertificate(std::string_view name) const;
  [[nodiscard]] const AccessToken* FindToken(std::string_view id) const;
  [[nodiscard]] const TenantQuota* FindQuota(std::string_view tenant) const;

 private:
  using Refusal = std::optional<Rejection>;

  [[nodiscard]] Refusal Check(const cairn::v1::PolicyChange& change) const;
  [[nodiscard]] Refusal CheckPut(const cairn::v1::Principal& principal) const;
  [[nodiscard]] Refusal CheckToken(const cairn::v1::StoredToken& token) const;
  [[nodiscard]] Refusal CheckQuota(const cairn::v1::TenantQuota& quota) const;
  [[nodiscard]] bool IsAlready(const cairn::v1::PolicyChange& change) const;
  // Whether the change would leave a policy that is on to nobody.
  [[nodiscard]] bool LocksOut(const cairn::v1::PolicyChange& change) const;
  // Whether somebody could still change the policy, were it on.
  [[nodiscard]] bool HasReachableAdmin() const;

  void Change(const cairn::v1::PolicyChange& change);
  void Put(const cairn::v1::Principal& principal);
  void Delete(const std::string& name);

  bool enabled_ = false;
  Seq version_;
  Principals principals_;
  Tokens tokens_;
  TenantQuotas tenant_quotas_;
  std::map<std::string, std::string, std::less<>> by_certificate_;  // To the principal's name.
};

}  // namespace cairn::server
