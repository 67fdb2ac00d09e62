// AuthService: who may do what (proto/cairn/v1/auth.proto). Changes are calls of the catalog.
//
// Threads: gRPC's; handlers never block. Lifetime: `environment` outlives the service.
#pragma once

#include "cairn/v1/auth.grpc.pb.h"
#include "server/rpc/call.h"

namespace cairn::rpc {

class AuthService final : public v1::AuthService::CallbackService {
 public:
  explicit AuthService(Environment* environment) : environment_(environment) {}

  grpc::ServerUnaryReactor* WhoAmI(grpc::CallbackServerContext* context,
                                   const v1::WhoAmIRequest* request,
                                   v1::WhoAmIResponse* response) override;
  grpc::ServerUnaryReactor* GetPolicy(grpc::CallbackServerContext* context,
                                      const v1::GetPolicyRequest* request,
                                      v1::GetPolicyResponse* response) override;
  grpc::ServerUnaryReactor* PutPrincipal(grpc::CallbackServerContext* context,
                                         const v1::PutPrincipalRequest* request,
                                         v1::PutPrincipalResponse* response) override;
  grpc::ServerUnaryReactor* DeletePrincipal(grpc::CallbackServerContext* context,
                                            const v1::DeletePrincipalRequest* request,
                                            v1::DeletePrincipalResponse* response) override;
  grpc::ServerUnaryReactor* CreateToken(grpc::CallbackServerContext* context,
                                        const v1::CreateTokenRequest* request,
                                        v1::CreateTokenResponse* response) override;
  grpc::ServerUnaryReactor* RevokeToken(grpc::CallbackServerContext* context,
                                        const v1::RevokeTokenRequest* request,
                                        v1::RevokeTokenResponse* response) override;
  grpc::ServerUnaryReactor* PutTenantQuota(grpc::CallbackServerContext* context,
                                           const v1::PutTenantQuotaRequest* request,
                                           v1::PutTenantQuotaResponse* response) override;
  grpc::ServerUnaryReactor* DeleteTenantQuota(grpc::CallbackServerContext* context,
                                              const v1::DeleteTenantQuotaRequest* request,
                                              v1::DeleteTenantQuotaResponse* response) override;
  grpc::ServerUnaryReactor* Enable(grpc::CallbackServerContext* context,
                                   const v1::EnableRequest* request,
                                   v1::EnableResponse* response) override;
  grpc::ServerUnaryReactor* Disable(grpc::CallbackServerContext* context,
                                    const v1::DisableRequest* request,
                                    v1::DisableResponse* response) override;

 private:
  Environment* const environment_;
};

}  // namespace cairn::rpc
