#include "server/access_policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "server/access_checks.h"

namespace cairn::server {
namespace {

using cairn::v1::PolicyChange;

constexpr size_t kTokenIdBytes = 16;
constexpr size_t kDigestBytes = 32;

Rejection Reject(cairn::v1::Reason reason, std::string message) {
  Rejection rejection;
  rejection.info.set_reason(reason);
  rejection.message = std::move(message);
  return rejection;
}

Rejection Full(std::string_view what, size_t limit) {
  Rejection rejection = Reject(cairn::v1::REASON_TABLE_FULL,
                               fmt::format("there are {} {}, no more are allowed", limit, what));
  rejection.info.set_limit(limit);
  rejection.info.set_actual(limit);
  return rejection;
}

Rejection NoSuch(std::string_view what, std::string_view name) {
  return Reject(cairn::v1::REASON_NO_SUCH_PRINCIPAL, fmt::format("there is no {} {}", what, name));
}

AccessPrincipal FromProto(const cairn::v1::Principal& in) {
  AccessPrincipal out;
  out.name = in.name();
  out.tenant = in.tenant();
  out.certificate_names = {in.certificate_names().begin(), in.certificate_names().end()};
  for (const cairn::v1::Grant& grant : in.grants()) {
    AccessGrant& added = out.grants.emplace_back();
    added.pattern = grant.pattern();
    for (const int right : grant.rights()) {
      added.rights |= SetOf(static_cast<cairn::v1::Right>(right));
    }
  }
  return out;
}

TenantQuota FromProto(const cairn::v1::TenantQuota& in) {
  return {.tenant = in.tenant(),
          .append_bytes_per_second = in.append_bytes_per_second(),
          .appends_per_second = in.appends_per_second()};
}

}  // namespace

// ---- Principals -------------------------------------------------------------------------

bool AccessGrant::Covers(std::string_view log) const {
  if (!pattern.ends_with('*')) return log == pattern;
  return log.starts_with(std::string_view(pattern).substr(0, pattern.size() - 1));
}

RightSet AccessPrincipal::RightsOn(std::string_view log) const {
  RightSet rights = 0;
  for (const AccessGrant& grant : grants) {
    if (grant.Covers(log)) rights |= grant.rights;
  }
  return rights;
}

bool AccessPrincipal::IsAdmin() const {
  return std::any_of(grants.begin(), grants.end(), [](const AccessGrant& grant) {
    return grant.pattern == kEveryLog && (grant.rights & SetOf(cairn::v1::RIGHT_ADMIN)) != 0;
  });
}

cairn::v1::Principal ToProto(const AccessPrincipal& principal) {
  cairn::v1::Principal out;
  out.set_name(principal.name);
  out.set_tenant(principal.tenant);
  for (const std::string& name : principal.certificate_names) out.add_certificate_names(name);
  for (const AccessGrant& grant : principal.grants) {
    cairn::v1::Grant& added = *out.add_grants();
    added.set_pattern(grant.pattern);
    for (int right = cairn::v1::RIGHT_APPEND; right <= cairn::v1::RIGHT_ADMIN; ++right) {
      const auto value = static_cast<cairn::v1::Right>(right);
      if ((grant.rights & SetOf(value)) != 0) added.add_rights(value);
    }
  }
  return out;
}

cairn::v1::TokenInfo ToProto(const AccessToken& token) {
  cairn::v1::TokenInfo out;
  out.set_id(token.id);
  out.set_principal(token.principal);
  out.set_expires_at_us(token.expires_at_us);
  out.set_created_at_us(token.created_at_us);
  return out;
}

cairn::v1::TenantQuota ToProto(const TenantQuota& quota) {
  cairn::v1::TenantQuota out;
  out.set_tenant(quota.tenant);
  out.set_append_bytes_per_second(quota.append_bytes_per_second);
  out.set_appends_per_second(quota.appends_per_second);
  return out;
}

// ---- Judge ------------------------------------------------------------------------------

AccessPolicy::Verdict AccessPolicy::Judge(const PolicyChange& change) const {
  if (change.has_if_version() && change.if_version() != version_.value()) {
    Rejection rejection = Reject(
        cairn::v1::REASON_CONDITION_FAILED,
        fmt::format("the policy has version {}, expected {}", version_, change.if_version()));
    rejection.info.set_last_seq(version_.value());
    return rejection;
  }
  if (Refusal refusal = Check(change)) return *std::move(refusal);
  if (IsAlready(change)) return Unchanged{};
  if (LocksOut(change)) {
    return Reject(
        cairn::v1::REASON_LOCK_OUT,
        "nobody would have the right admin on \"*\" together with a token or a certificate "
        "name, so nobody could change the policy again");
  }
  PolicyChange recorded = change;
  recorded.clear_if_version();
  return recorded;
}

AccessPolicy::Refusal AccessPolicy::Check(const PolicyChange& change) const {
  switch (change.change_case()) {
    case PolicyChange::kPrincipalPut:
      return CheckPut(change.principal_put());
    case PolicyChange::kPrincipalDeleted:
      if (Find(change.principal_deleted()) != nullptr) return std::nullopt;
      return NoSuch("principal", change.principal_deleted());
    case PolicyChange::kTokenCreated:
      return CheckToken(change.token_created());
    case PolicyChange::kTokenRevoked:
      if (FindToken(change.token_revoked()) != nullptr) return std::nullopt;
      return NoSuch("token", change.token_revoked());
    case PolicyChange::kTenantQuotaPut:
      return CheckQuota(change.tenant_quota_put());
    case PolicyChange::kTenantQuotaDeleted:
      if (FindQuota(change.tenant_quota_deleted()) != nullptr) return std::nullopt;
      return NoSuch("quota of a tenant", change.tenant_quota_deleted());
    case PolicyChange::kEnabled:
      return std::nullopt;
    case PolicyChange::CHANGE_NOT_SET:
      break;
  }
  return Reject(cairn::v1::REASON_INVALID, "the change of the policy is empty");
}

AccessPolicy::Refusal AccessPolicy::CheckPut(const cairn::v1::Principal& principal) const {
  if (std::string wrong = CheckPrincipal(principal); !wrong.empty()) {
    return Reject(cairn::v1::REASON_INVALID, std::move(wrong));
  }
  for (const std::string& name : principal.certificate_names()) {
    const auto owner = by_certificate_.find(name);
    if (owner == by_certificate_.end() || owner->second == principal.name()) continue;
    return Reject(cairn::v1::REASON_INVALID,
                  fmt::format("the certificate name {} stands for principal {} already", name,
                              owner->second));
  }
  if (Find(principal.name()) == nullptr && principals_.size() >= kMaxPrincipals) {
    return Full("principals", kMaxPrincipals);
  }
  return std::nullopt;
}

AccessPolicy::Refusal AccessPolicy::CheckToken(const cairn::v1::StoredToken& token) const {
  const cairn::v1::TokenInfo& info = token.info();
  if (Find(info.principal()) == nullptr) return NoSuch("principal", info.principal());
  if (info.id().size() != kTokenIdBytes || token.secret_sha256().size() != kDigestBytes ||
      info.expires_at_us() < 0 || FindToken(info.id()) != nullptr) {
    return Reject(cairn::v1::REASON_INVALID, "the token's id, digest or expiry is none, or taken");
  }
  if (tokens_.size() >= kMaxTokens) return Full("tokens", kMaxTokens);
  return std::nullopt;
}

AccessPolicy::Refusal AccessPolicy::CheckQuota(const cairn::v1::TenantQuota& quota) const {
  if (std::string wrong = CheckTenantQuota(quota); !wrong.empty()) {
    return Reject(cairn::v1::REASON_INVALID, std::move(wrong));
  }
  if (FindQuota(quota.tenant()) == nullptr && tenant_quotas_.size() >= kMaxTenantQuotas) {
    return Full("quotas of tenants", kMaxTenantQuotas);
  }
  return std::nullopt;
}

bool AccessPolicy::IsAlready(const PolicyChange& change) const {
  if (change.has_principal_put()) {
    const AccessPrincipal* now = Find(change.principal_put().name());
    return now != nullptr && *now == FromProto(change.principal_put());
  }
  if (change.has_tenant_quota_put()) {
    const TenantQuota* now = FindQuota(change.tenant_quota_put().tenant());
    return now != nullptr && *now == FromProto(change.tenant_quota_put());
  }
  return change.change_case() == PolicyChange::kEnabled && change.enabled() == enabled_;
}

bool AccessPolicy::LocksOut(const PolicyChange& change) const {
  const bool is_on = change.has_enabled() ? change.enabled() : enabled_;
  const bool takes_nothing = change.has_token_created() || change.has_tenant_quota_put() ||
                             change.has_tenant_quota_deleted();
  if (!is_on || takes_nothing) return false;  // A policy may be large: no copy for these.
  AccessPolicy after = *this;
  after.Change(change);
  return !after.HasReachableAdmin();
}

bool AccessPolicy::HasReachableAdmin() const {
  const bool by_certificate =
      std::any_of(by_certificate_.begin(), by_certificate_.end(),
                  [this](const auto& row) { return Find(row.second)->IsAdmin(); });
  return by_certificate || std::any_of(tokens_.begin(), tokens_.end(), [this](const auto& row) {
           return Find(row.second.principal)->IsAdmin();
         });
}

// ---- Apply ------------------------------------------------------------------------------

std::string AccessPolicy::Apply(Seq seq, const PolicyChange& change) {
  if (Refusal refusal = Check(change)) return refusal->message;
  Change(change);
  version_ = seq;
  return "";
}

void AccessPolicy::Change(const PolicyChange& change) {
  switch (change.change_case()) {
    case PolicyChange::kPrincipalPut:
      return Put(change.principal_put());
    case PolicyChange::kPrincipalDeleted:
      return Delete(change.principal_deleted());
    case PolicyChange::kTokenCreated: {
      const cairn::v1::TokenInfo& info = change.token_created().info();
      tokens_[info.id()] = {.id = info.id(),
                            .principal = info.principal(),
                            .secret_sha256 = change.token_created().secret_sha256(),
                            .expires_at_us = info.expires_at_us(),
                            .created_at_us = info.created_at_us()};
      return;
    }
    case PolicyChange::kTokenRevoked:
      tokens_.erase(change.token_revoked());
      return;
    case PolicyChange::kTenantQuotaPut:
      tenant_quotas_[change.tenant_quota_put().tenant()] = FromProto(change.tenant_quota_put());
      return;
    case PolicyChange::kTenantQuotaDeleted:
      tenant_quotas_.erase(change.tenant_quota_deleted());
      return;
    case PolicyChange::kEnabled:
      enabled_ = change.enabled();
      return;
    case PolicyChange::CHANGE_NOT_SET:
      break;
  }
  CHECK_UNREACHABLE();  // Check lets none through.
}

void AccessPolicy::Put(const cairn::v1::Principal& principal) {
  AccessPrincipal& row = principals_[principal.name()];
  for (const std::string& name : row.certificate_names) by_certificate_.erase(name);
  row = FromProto(principal);
  for (const std::string& name : row.certificate_names) by_certificate_[name] = row.name;
}

void AccessPolicy::Delete(const std::string& name) {
  const auto row = principals_.find(name);
  for (const std::string& certificate : row->second.certificate_names) {
    by_certificate_.erase(certificate);
  }
  principals_.erase(row);
  std::erase_if(tokens_, [&](const auto& token) { return token.second.principal == name; });
}

// ---- Look-ups -----------------------------------------------------------------------------

const AccessPrincipal* AccessPolicy::Find(std::string_view name) const {
  const auto found = principals_.find(name);
  return found == principals_.end() ? nullptr : &found->second;
}

const AccessPrincipal* AccessPolicy::FindByCertificate(std::string_view name) const {
  const auto found = by_certificate_.find(name);
  return found == by_certificate_.end() ? nullptr : Find(found->second);
}

const AccessToken* AccessPolicy::FindToken(std::string_view id) const {
  const auto found = tokens_.find(id);
  return found == tokens_.end() ? nullptr : &found->second;
}

const TenantQuota* AccessPolicy::FindQuota(std::string_view tenant) const {
  const auto found = tenant_quotas_.find(tenant);
  return found == tenant_quotas_.end() ? nullptr : &found->second;
}

}  // namespace cairn::server
