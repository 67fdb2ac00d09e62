#include "server/rpc/auth_convert.h"

#include <fmt/format.h>

#include <string>

#include "server/access_checks.h"
#include "server/rpc/convert.h"

namespace cairn::rpc {
namespace {

Refusal Named(std::string_view what, std::string_view name) {
  if (!name.empty() && name.size() <= kMaxNameBytes) return std::nullopt;
  return Reject(v1::REASON_INVALID, "",
                fmt::format("the name of a {} has {} bytes, expected 1 to {}", what, name.size(),
                            kMaxNameBytes));
}

Refusal UnlessEmpty(std::string wrong) {
  if (wrong.empty()) return std::nullopt;
  return Reject(v1::REASON_INVALID, "", std::move(wrong));
}

}  // namespace

Refusal CheckRequest(const v1::PutPrincipalRequest& request, const Bounds& /*bounds*/) {
  return UnlessEmpty(server::CheckPrincipal(request.principal()));
}

Refusal CheckRequest(const v1::DeletePrincipalRequest& request, const Bounds& /*bounds*/) {
  return Named("principal", request.name());
}

Refusal CheckRequest(const v1::CreateTokenRequest& request, const Bounds& /*bounds*/) {
  if (request.ttl_ms() <= kMaxTokenTtlMs) return Named("principal", request.principal());
  return Reject(v1::REASON_INVALID, "",
                fmt::format("ttl_ms is {}, at most {} are allowed; 0 is for ever", request.ttl_ms(),
                            kMaxTokenTtlMs));
}

Refusal CheckRequest(const v1::RevokeTokenRequest& request, const Bounds& /*bounds*/) {
  return Named("token", request.id());
}

Refusal CheckRequest(const v1::PutTenantQuotaRequest& request, const Bounds& /*bounds*/) {
  return UnlessEmpty(server::CheckTenantQuota(request.quota()));
}

Refusal CheckRequest(const v1::DeleteTenantQuotaRequest& request, const Bounds& /*bounds*/) {
  return Named("tenant", request.tenant());
}

Refusal CheckRequest(const v1::EnableRequest& /*request*/, const Bounds& /*bounds*/) {
  return std::nullopt;
}

Refusal CheckRequest(const v1::DisableRequest& /*request*/, const Bounds& /*bounds*/) {
  return std::nullopt;
}

server::CatalogOp ToOp(const v1::PutPrincipalRequest& request) {
  server::CatalogOp op;
  v1::PolicyChange& change = *op.command.mutable_policy_changed();
  if (request.has_if_version()) change.set_if_version(request.if_version());
  *change.mutable_principal_put() = request.principal();
  return op;
}

server::CatalogOp ToOp(const v1::DeletePrincipalRequest& request) {
  server::CatalogOp op;
  v1::PolicyChange& change = *op.command.mutable_policy_changed();
  if (request.has_if_version()) change.set_if_version(request.if_version());
  change.set_principal_deleted(request.name());
  return op;
}

server::CatalogOp ToOp(const v1::CreateTokenRequest& request) {
  server::CatalogOp op;
  v1::StoredToken& token = *op.command.mutable_policy_changed()->mutable_token_created();
  token.mutable_info()->set_principal(request.principal());
  return op;
}

server::CatalogOp ToOp(const v1::RevokeTokenRequest& request) {
  server::CatalogOp op;
  op.command.mutable_policy_changed()->set_token_revoked(request.id());
  return op;
}

server::CatalogOp ToOp(const v1::PutTenantQuotaRequest& request) {
  server::CatalogOp op;
  *op.command.mutable_policy_changed()->mutable_tenant_quota_put() = request.quota();
  return op;
}

server::CatalogOp ToOp(const v1::DeleteTenantQuotaRequest& request) {
  server::CatalogOp op;
  op.command.mutable_policy_changed()->set_tenant_quota_deleted(request.tenant());
  return op;
}

server::CatalogOp ToOp(const v1::EnableRequest& /*request*/) {
  server::CatalogOp op;
  op.command.mutable_policy_changed()->set_enabled(true);
  return op;
}

server::CatalogOp ToOp(const v1::DisableRequest& /*request*/) {
  server::CatalogOp op;
  op.command.mutable_policy_changed()->set_enabled(false);
  return op;
}

void Fill(const Caller& caller, v1::WhoAmIResponse& response) {
  response.set_enabled(caller.policy->enabled());
  response.set_principal(std::string(caller.name()));
  response.set_tenant(std::string(caller.tenant()));
  if (caller.principal != nullptr) {
    *response.mutable_grants() = server::ToProto(*caller.principal).grants();
  }
  response.set_by(std::string(caller.by));
  response.set_expires_at_us(caller.expires_at_us);
  if (!caller.is_known()) response.set_refusal(caller.refusal);
  const server::TenantQuota* quota = caller.quota();
  if (quota != nullptr) *response.mutable_quota() = server::ToProto(*quota);
}

void Fill(const server::AccessPolicy& policy, v1::GetPolicyResponse& response) {
  response.set_enabled(policy.enabled());
  response.set_version(policy.version().value());
  for (const auto& [name, principal] : policy.principals()) {
    *response.add_principals() = server::ToProto(principal);
  }
  for (const auto& [id, token] : policy.tokens()) *response.add_tokens() = server::ToProto(token);
  for (const auto& [tenant, quota] : policy.tenant_quotas()) {
    *response.add_tenant_quotas() = server::ToProto(quota);
  }
}

}  // namespace cairn::rpc
