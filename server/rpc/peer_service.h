// PeerService: how nodes find each other at a cluster's first start, join it later, and tell the
// catalog's leader what they have carried out (proto/cairn/v1/peer.proto).
// Raft's messages do not come this way; see server/runtime/peer_receiver.h.
//
// Threads: gRPC's; handlers never block. Lifetime: `environment` outlives the service.
#pragma once

#include "cairn/v1/peer.grpc.pb.h"
#include "server/rpc/call.h"
#include "server/rpc/member_convert.h"

namespace cairn::rpc {

class PeerService final : public v1::PeerService::CallbackService {
 public:
  explicit PeerService(Environment* environment) : environment_(environment) {}

  grpc::ServerUnaryReactor* Introduce(grpc::CallbackServerContext* context,
                                      const v1::IntroduceRequest* request,
                                      v1::IntroduceResponse* response) override;
  grpc::ServerUnaryReactor* Form(grpc::CallbackServerContext* context,
                                 const v1::FormRequest* request,
                                 v1::FormResponse* response) override;
  grpc::ServerUnaryReactor* Join(grpc::CallbackServerContext* context,
                                 const v1::JoinRequest* request,
                                 v1::JoinResponse* response) override;
  grpc::ServerUnaryReactor* Settle(grpc::CallbackServerContext* context,
                                   const v1::SettleRequest* request,
                                   v1::SettleResponse* response) override;

 private:
  Environment* const environment_;
};

}  // namespace cairn::rpc
