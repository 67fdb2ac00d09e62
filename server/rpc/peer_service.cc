#include "server/rpc/peer_service.h"

#include "server/rpc/catalog_call.h"
#include "server/rpc/grpc_tls.h"

namespace cairn::rpc {
namespace {

// With TLS, whoever is no member learns nothing here, and changes nothing.
grpc::Status CheckCaller(const grpc::ServerContextBase& context, server::Node& node) {
  if (node.tls() == nullptr || IsMember(context, node)) return grpc::Status::OK;
  return {grpc::StatusCode::PERMISSION_DENIED,
          "the peers' protocol is for members: expected a certificate of the peers' authority, for "
          "serverAuth and clientAuth, that names the host of a member or --peer-tls-name"};
}

// Answered with the cluster as the node that leads the catalog has it.
class JoinCall final : public CatalogCall<v1::JoinRequest, v1::JoinResponse> {
 public:
  using CatalogCall::CatalogCall;

 private:
  void Complete(const server::CatalogDone& /*done*/) override {
    Fill(environment().node->catalog()->catalog, response());
    End(grpc::Status::OK);
  }
};

using SettleCall = CatalogCall<v1::SettleRequest, v1::SettleResponse>;

}  // namespace

grpc::ServerUnaryReactor* PeerService::Introduce(grpc::CallbackServerContext* context,
                                                 const v1::IntroduceRequest* request,
                                                 v1::IntroduceResponse* response) {
  const grpc::Status allowed = CheckCaller(*context, *environment_->node);
  if (allowed.ok()) *response = environment_->node->Introduce(*request);
  return Answer(context, allowed);
}

grpc::ServerUnaryReactor* PeerService::Form(grpc::CallbackServerContext* context,
                                            const v1::FormRequest* request,
                                            v1::FormResponse* response) {
  const grpc::Status allowed = CheckCaller(*context, *environment_->node);
  if (allowed.ok()) *response = environment_->node->Form(*request);
  return Answer(context, allowed);
}

grpc::ServerUnaryReactor* PeerService::Join(grpc::CallbackServerContext* context,
                                            const v1::JoinRequest* request,
                                            v1::JoinResponse* response) {
  const grpc::Status allowed = CheckCaller(*context, *environment_->node);
  if (!allowed.ok()) return Answer(context, allowed);
  return (new JoinCall(environment_, context, Rpc::kJoin, request->name(), request, response))
      ->StartNew();
}

grpc::ServerUnaryReactor* PeerService::Settle(grpc::CallbackServerContext* context,
                                              const v1::SettleRequest* request,
                                              v1::SettleResponse* response) {
  const grpc::Status allowed = CheckCaller(*context, *environment_->node);
  if (!allowed.ok()) return Answer(context, allowed);
  return (new SettleCall(environment_, context, Rpc::kSettle, "", request, response))->StartNew();
}

}  // namespace cairn::rpc
