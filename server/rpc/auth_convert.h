// AuthConvert: between the messages of AuthService and the words of the policy. What convert.h and
// bounds.h are to the other services; a header of calls (catalog_call.h) is included after it.
//
// Pure; any thread.
#pragma once

#include "cairn/v1/auth.pb.h"
#include "server/group_events.h"
#include "server/rpc/auth.h"
#include "server/rpc/bounds.h"

namespace cairn::rpc {

inline constexpr uint64_t kMaxTokenTtlMs = 100ull * 365 * 24 * 3600 * 1000;

[[nodiscard]] Refusal CheckRequest(const v1::PutPrincipalRequest& request, const Bounds&);
[[nodiscard]] Refusal CheckRequest(const v1::DeletePrincipalRequest& request, const Bounds&);
[[nodiscard]] Refusal CheckRequest(const v1::CreateTokenRequest& request, const Bounds&);
[[nodiscard]] Refusal CheckRequest(const v1::RevokeTokenRequest& request, const Bounds&);
[[nodiscard]] Refusal CheckRequest(const v1::PutTenantQuotaRequest& request, const Bounds&);
[[nodiscard]] Refusal CheckRequest(const v1::DeleteTenantQuotaRequest& request, const Bounds&);
[[nodiscard]] Refusal CheckRequest(const v1::EnableRequest& request, const Bounds&);
[[nodiscard]] Refusal CheckRequest(const v1::DisableRequest& request, const Bounds&);

[[nodiscard]] server::CatalogOp ToOp(const v1::PutPrincipalRequest& request);
[[nodiscard]] server::CatalogOp ToOp(const v1::DeletePrincipalRequest& request);
// Without the token itself, which the call draws.
[[nodiscard]] server::CatalogOp ToOp(const v1::CreateTokenRequest& request);
[[nodiscard]] server::CatalogOp ToOp(const v1::RevokeTokenRequest& request);
[[nodiscard]] server::CatalogOp ToOp(const v1::PutTenantQuotaRequest& request);
[[nodiscard]] server::CatalogOp ToOp(const v1::DeleteTenantQuotaRequest& request);
[[nodiscard]] server::CatalogOp ToOp(const v1::EnableRequest& request);
[[nodiscard]] server::CatalogOp ToOp(const v1::DisableRequest& request);

// The version is filled in when the call ends.
inline void Fill(const server::CatalogDone&, v1::PutPrincipalResponse&) {}
inline void Fill(const server::CatalogDone&, v1::DeletePrincipalResponse&) {}
inline void Fill(const server::CatalogDone&, v1::CreateTokenResponse&) {}
inline void Fill(const server::CatalogDone&, v1::RevokeTokenResponse&) {}
inline void Fill(const server::CatalogDone&, v1::PutTenantQuotaResponse&) {}
inline void Fill(const server::CatalogDone&, v1::DeleteTenantQuotaResponse&) {}
inline void Fill(const server::CatalogDone&, v1::EnableResponse&) {}
inline void Fill(const server::CatalogDone&, v1::DisableResponse&) {}
void Fill(const Caller& caller, v1::WhoAmIResponse& response);
void Fill(const server::AccessPolicy& policy, v1::GetPolicyResponse& response);

}  // namespace cairn::rpc
