#include "server/rpc/auth_service.h"

#include <string>
#include <utility>

#include "server/rpc/auth_convert.h"
#include "server/rpc/catalog_call.h"

namespace cairn::rpc {
namespace {

// A change of the policy, answered with the version that this node has then.
template <class Request, class Response>
class PolicyCall final : public CatalogCall<Request, Response> {
 public:
  using CatalogCall<Request, Response>::CatalogCall;

 private:
  void Ending(const grpc::Status& status) override {
    if (!status.ok()) return;
    this->response().set_version(this->environment().node->access().policy()->version().value());
  }
};

// Draws the token; the node that leads the catalog does so when it comes to it, so that a call that
// was forwarded is answered with the token that was recorded.
class TokenCall final : public CatalogCall<v1::CreateTokenRequest, v1::CreateTokenResponse> {
 public:
  using CatalogCall::CatalogCall;

 private:
  server::CatalogOp MakeOp() override {
    const NewToken drawn = DrawToken();
    const int64_t now_us = environment().node->clock().Wall();
    server::CatalogOp op = ToOp(request());
    v1::StoredToken& stored = *op.command.mutable_policy_changed()->mutable_token_created();
    v1::TokenInfo& info = *stored.mutable_info();
    info.set_id(drawn.id);
    info.set_created_at_us(now_us);
    if (request().ttl_ms() != 0) {
      info.set_expires_at_us(now_us + static_cast<int64_t>(request().ttl_ms()) * kMicrosPerMilli);
    }
    stored.set_secret_sha256(Sha256(drawn.secret));
    made_.set_token(drawn.Text());
    *made_.mutable_info() = info;
    return op;
  }

  void Complete(const server::CatalogDone& /*done*/) override {
    response() = std::move(made_);
    End(grpc::Status::OK);
  }

  v1::CreateTokenResponse made_;
};

template <class Request, class Response>
grpc::ServerUnaryReactor* StartPolicyCall(Environment* environment,
                                          grpc::CallbackServerContext* context, Rpc rpc,
                                          std::string subject, const Request* request,
                                          Response* response) {
  using Call = PolicyCall<Request, Response>;
  return (new Call(environment, context, rpc, std::move(subject), request, response))->StartNew();
}

}  // namespace

grpc::ServerUnaryReactor* AuthService::WhoAmI(grpc::CallbackServerContext* context,
                                              const v1::WhoAmIRequest* /*request*/,
                                              v1::WhoAmIResponse* response) {
  Fill(environment_->authority.CallerOf(*context), *response);
  return Answer(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* AuthService::GetPolicy(grpc::CallbackServerContext* context,
                                                 const v1::GetPolicyRequest* /*request*/,
                                                 v1::GetPolicyResponse* response) {
  if (Refusal refusal = environment_->authority.Check(*context, Rpc::kGetPolicy, /*log=*/"")) {
    return Answer(context, ToStatus(*refusal));
  }
  Fill(*environment_->node->access().policy(), *response);
  return Answer(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* AuthService::PutPrincipal(grpc::CallbackServerContext* context,
                                                    const v1::PutPrincipalRequest* request,
                                                    v1::PutPrincipalResponse* response) {
  return StartPolicyCall(environment_, context, Rpc::kPutPrincipal, request->principal().name(),
                         request, response);
}

grpc::ServerUnaryReactor* AuthService::DeletePrincipal(grpc::CallbackServerContext* context,
                                                       const v1::DeletePrincipalRequest* request,
                                                       v1::DeletePrincipalResponse* response) {
  return StartPolicyCall(environment_, context, Rpc::kDeletePrincipal, request->name(), request,
                         response);
}

grpc::ServerUnaryReactor* AuthService::CreateToken(grpc::CallbackServerContext* context,
                                                   const v1::CreateTokenRequest* request,
                                                   v1::CreateTokenResponse* response) {
  return (new TokenCall(environment_, context, Rpc::kCreateToken, request->principal(), request,
                        response))
      ->StartNew();
}

grpc::ServerUnaryReactor* AuthService::RevokeToken(grpc::CallbackServerContext* context,
                                                   const v1::RevokeTokenRequest* request,
                                                   v1::RevokeTokenResponse* response) {
  return StartPolicyCall(environment_, context, Rpc::kRevokeToken, request->id(), request,
                         response);
}

grpc::ServerUnaryReactor* AuthService::PutTenantQuota(grpc::CallbackServerContext* context,
                                                      const v1::PutTenantQuotaRequest* request,
                                                      v1::PutTenantQuotaResponse* response) {
  return StartPolicyCall(environment_, context, Rpc::kPutTenantQuota, request->quota().tenant(),
                         request, response);
}

grpc::ServerUnaryReactor* AuthService::DeleteTenantQuota(
    grpc::CallbackServerContext* context, const v1::DeleteTenantQuotaRequest* request,
    v1::DeleteTenantQuotaResponse* response) {
  return StartPolicyCall(environment_, context, Rpc::kDeleteTenantQuota, request->tenant(), request,
                         response);
}

grpc::ServerUnaryReactor* AuthService::Enable(grpc::CallbackServerContext* context,
                                              const v1::EnableRequest* request,
                                              v1::EnableResponse* response) {
  return StartPolicyCall(environment_, context, Rpc::kEnable, "", request, response);
}

grpc::ServerUnaryReactor* AuthService::Disable(grpc::CallbackServerContext* context,
                                               const v1::DisableRequest* request,
                                               v1::DisableResponse* response) {
  return StartPolicyCall(environment_, context, Rpc::kDisable, "", request, response);
}

}  // namespace cairn::rpc
