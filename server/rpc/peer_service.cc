#include "server/rpc/peer_service.h"

#include "server/rpc/group_call.h"

namespace cairn::rpc {

grpc::ServerUnaryReactor* PeerService::Introduce(grpc::CallbackServerContext* context,
                                                 const v1::IntroduceRequest* request,
                                                 v1::IntroduceResponse* response) {
  *response = environment_->node->Introduce(*request);
  return Answer(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* PeerService::Form(grpc::CallbackServerContext* context,
                                            const v1::FormRequest* request,
                                            v1::FormResponse* response) {
  *response = environment_->node->Form(*request);
  return Answer(context, grpc::Status::OK);
}

}  // namespace cairn::rpc
