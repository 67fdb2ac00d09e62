// ClusterService: the cluster API (proto/cairn/v1/cluster.proto).
//
// Threads: gRPC's; handlers never block. Lifetime: `environment` outlives the service.
#pragma once

#include "cairn/v1/cluster.grpc.pb.h"
#include "server/rpc/call.h"
#include "server/rpc/member_convert.h"

namespace cairn::rpc {

class ClusterService final : public v1::ClusterService::CallbackService {
 public:
  explicit ClusterService(Environment* environment) : environment_(environment) {}

  grpc::ServerUnaryReactor* Status(grpc::CallbackServerContext* context,
                                   const v1::StatusRequest* request,
                                   v1::StatusResponse* response) override;
  grpc::ServerUnaryReactor* Members(grpc::CallbackServerContext* context,
                                    const v1::MembersRequest* request,
                                    v1::MembersResponse* response) override;
  grpc::ServerUnaryReactor* TransferLeadership(grpc::CallbackServerContext* context,
                                               const v1::TransferLeadershipRequest* request,
                                               v1::TransferLeadershipResponse* response) override;
  grpc::ServerUnaryReactor* CanIStop(grpc::CallbackServerContext* context,
                                     const v1::CanIStopRequest* request,
                                     v1::CanIStopResponse* response) override;
  grpc::ServerUnaryReactor* AddMember(grpc::CallbackServerContext* context,
                                      const v1::AddMemberRequest* request,
                                      v1::AddMemberResponse* response) override;
  grpc::ServerUnaryReactor* ChangeMember(grpc::CallbackServerContext* context,
                                         const v1::ChangeMemberRequest* request,
                                         v1::ChangeMemberResponse* response) override;
  grpc::ServerUnaryReactor* MoveReplica(grpc::CallbackServerContext* context,
                                        const v1::MoveReplicaRequest* request,
                                        v1::MoveReplicaResponse* response) override;

 private:
  void FillGroups(const grpc::CallbackServerContext& context, v1::StatusResponse& response);

  Environment* const environment_;
};

}  // namespace cairn::rpc
