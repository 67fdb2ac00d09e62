#include "server/rpc/peer_service.h"

#include "server/rpc/group_call.h"
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

}  // namespace cairn::rpc
