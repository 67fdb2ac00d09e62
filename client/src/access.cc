#include "cairn/access.h"

#include <array>
#include <string>
#include <utility>

#include "base/status_macros.h"
#include "cairn/v1/auth.pb.h"
#include "client/src/core.h"

namespace cairn {
namespace {

using client::CallSpec;
using client::Method;
using client::Route;

CallSpec Spec(Method method, const CallOptions& options) {
  CallSpec spec;
  spec.method = method;
  spec.goal = client::IsReadOnly(method) ? Route::Goal::kAny : Route::Goal::kLeader;
  spec.traits.idempotent = client::IsIdempotent(method);
  spec.options = options;
  return spec;
}

template <class Repeated>
std::vector<Grant> GrantsOf(const Repeated& grants) {
  std::vector<Grant> out;
  for (const v1::Grant& grant : grants) {
    Grant& added = out.emplace_back();
    added.pattern = grant.pattern();
    for (const int right : grant.rights()) added.rights.push_back(static_cast<Right>(right));
  }
  return out;
}

Principal FromProto(const v1::Principal& in) {
  return {.name = in.name(),
          .tenant = in.tenant(),
          .certificate_names = {in.certificate_names().begin(), in.certificate_names().end()},
          .grants = GrantsOf(in.grants())};
}

TokenInfo FromProto(const v1::TokenInfo& in) {
  return {.id = in.id(),
          .principal = in.principal(),
          .expires_at_us = in.expires_at_us(),
          .created_at_us = in.created_at_us()};
}

TenantQuota FromProto(const v1::TenantQuota& in) {
  return {.tenant = in.tenant(),
          .append_bytes_per_second = in.append_bytes_per_second(),
          .appends_per_second = in.appends_per_second()};
}

v1::TenantQuota ToProto(const TenantQuota& in) {
  v1::TenantQuota out;
  out.set_tenant(in.tenant);
  out.set_append_bytes_per_second(in.append_bytes_per_second);
  out.set_appends_per_second(in.appends_per_second);
  return out;
}

v1::Principal ToProto(const Principal& in) {
  v1::Principal out;
  out.set_name(in.name);
  out.set_tenant(in.tenant);
  for (const std::string& name : in.certificate_names) out.add_certificate_names(name);
  for (const Grant& grant : in.grants) {
    v1::Grant& added = *out.add_grants();
    added.set_pattern(grant.pattern);
    for (const Right right : grant.rights) added.add_rights(static_cast<v1::Right>(right));
  }
  return out;
}

}  // namespace

std::string_view RightName(Right right) {
  static constexpr std::array<std::string_view, 5> kNames = {"unknown", "append", "read", "lease",
                                                             "admin"};
  const auto i = static_cast<size_t>(right);
  return i < kNames.size() ? kNames[i] : kNames[0];
}

absl::StatusOr<Identity> Access::WhoAmI(const CallOptions& options) {
  ASSIGN_OR_RETURN(const auto got, core_->CallAndWait<v1::WhoAmIResponse>(
                                       Spec(Method::kWhoAmI, options), v1::WhoAmIRequest()));
  Identity identity{.enabled = got.enabled(),
                    .principal = got.principal(),
                    .tenant = got.tenant(),
                    .grants = GrantsOf(got.grants()),
                    .by = got.by(),
                    .expires_at_us = got.expires_at_us(),
                    .refusal = got.refusal(),
                    .quota = {}};
  if (got.has_quota()) identity.quota = FromProto(got.quota());
  return identity;
}

absl::StatusOr<Policy> Access::GetPolicy(const CallOptions& options) {
  ASSIGN_OR_RETURN(const auto got, core_->CallAndWait<v1::GetPolicyResponse>(
                                       Spec(Method::kGetPolicy, options), v1::GetPolicyRequest()));
  Policy policy;
  policy.enabled = got.enabled();
  policy.version = got.version();
  for (const v1::Principal& principal : got.principals()) {
    policy.principals.push_back(FromProto(principal));
  }
  for (const v1::TokenInfo& token : got.tokens()) policy.tokens.push_back(FromProto(token));
  for (const v1::TenantQuota& quota : got.tenant_quotas()) {
    policy.tenant_quotas.push_back(FromProto(quota));
  }
  return policy;
}

absl::StatusOr<uint64_t> Access::PutPrincipal(const Principal& principal,
                                              std::optional<uint64_t> if_version,
                                              const CallOptions& options) {
  v1::PutPrincipalRequest request;
  *request.mutable_principal() = ToProto(principal);
  if (if_version) request.set_if_version(*if_version);
  CallSpec spec = Spec(Method::kPutPrincipal, options);
  spec.traits.idempotent = !if_version;  // A repetition finds the version moved by the first.
  ASSIGN_OR_RETURN(const auto got, core_->CallAndWait<v1::PutPrincipalResponse>(spec, request));
  return got.version();
}

absl::StatusOr<uint64_t> Access::DeletePrincipal(std::string_view name,
                                                 const CallOptions& options) {
  v1::DeletePrincipalRequest request;
  request.set_name(std::string(name));
  ASSIGN_OR_RETURN(const auto got, core_->CallAndWait<v1::DeletePrincipalResponse>(
                                       Spec(Method::kDeletePrincipal, options), request));
  return got.version();
}

absl::StatusOr<NewToken> Access::CreateToken(std::string_view principal, absl::Duration ttl,
                                             const CallOptions& options) {
  if (ttl < absl::ZeroDuration()) {
    return absl::InvalidArgumentError("ttl: want a positive time, or zero for ever");
  }
  v1::CreateTokenRequest request;
  request.set_principal(std::string(principal));
  request.set_ttl_ms(static_cast<uint64_t>(absl::ToInt64Milliseconds(ttl)));
  ASSIGN_OR_RETURN(const auto got, core_->CallAndWait<v1::CreateTokenResponse>(
                                       Spec(Method::kCreateToken, options), request));
  return NewToken{.text = got.token(), .info = FromProto(got.info())};
}

absl::StatusOr<uint64_t> Access::RevokeToken(std::string_view id, const CallOptions& options) {
  v1::RevokeTokenRequest request;
  request.set_id(std::string(id));
  ASSIGN_OR_RETURN(const auto got, core_->CallAndWait<v1::RevokeTokenResponse>(
                                       Spec(Method::kRevokeToken, options), request));
  return got.version();
}

absl::StatusOr<uint64_t> Access::PutTenantQuota(const TenantQuota& quota,
                                                const CallOptions& options) {
  v1::PutTenantQuotaRequest request;
  *request.mutable_quota() = ToProto(quota);
  ASSIGN_OR_RETURN(const auto got, core_->CallAndWait<v1::PutTenantQuotaResponse>(
                                       Spec(Method::kPutTenantQuota, options), request));
  return got.version();
}

absl::StatusOr<uint64_t> Access::DeleteTenantQuota(std::string_view tenant,
                                                   const CallOptions& options) {
  v1::DeleteTenantQuotaRequest request;
  request.set_tenant(std::string(tenant));
  ASSIGN_OR_RETURN(const auto got, core_->CallAndWait<v1::DeleteTenantQuotaResponse>(
                                       Spec(Method::kDeleteTenantQuota, options), request));
  return got.version();
}

absl::StatusOr<uint64_t> Access::Enable(const CallOptions& options) {
  ASSIGN_OR_RETURN(const auto got, core_->CallAndWait<v1::EnableResponse>(
                                       Spec(Method::kEnable, options), v1::EnableRequest()));
  return got.version();
}

absl::StatusOr<uint64_t> Access::Disable(const CallOptions& options) {
  ASSIGN_OR_RETURN(const auto got, core_->CallAndWait<v1::DisableResponse>(
                                       Spec(Method::kDisable, options), v1::DisableRequest()));
  return got.version();
}

}  // namespace cairn
