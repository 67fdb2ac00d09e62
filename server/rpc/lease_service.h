// LeaseService: the lease API (proto/cairn/v1/lease.proto). The unary calls post to the lease's
// log and fill in; KeepAlive is a stream of renewals.
//
// Threads: gRPC's; handlers never block. Lifetime: `environment` outlives the service.
#pragma once

#include "cairn/v1/lease.grpc.pb.h"
#include "server/rpc/call.h"

namespace cairn::rpc {

class LeaseService final : public v1::LeaseService::CallbackService {
 public:
  explicit LeaseService(Environment* environment) : environment_(environment) {}

  grpc::ServerUnaryReactor* Acquire(grpc::CallbackServerContext* context,
                                    const v1::AcquireRequest* request,
                                    v1::AcquireResponse* response) override;
  grpc::ServerUnaryReactor* Renew(grpc::CallbackServerContext* context,
                                  const v1::RenewRequest* request,
                                  v1::RenewResponse* response) override;
  grpc::ServerUnaryReactor* Release(grpc::CallbackServerContext* context,
                                    const v1::ReleaseRequest* request,
                                    v1::ReleaseResponse* response) override;
  grpc::ServerUnaryReactor* Transfer(grpc::CallbackServerContext* context,
                                     const v1::TransferRequest* request,
                                     v1::TransferResponse* response) override;
  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context, const v1::GetRequest* request,
                                v1::GetResponse* response) override;
  grpc::ServerBidiReactor<v1::KeepAliveRequest, v1::KeepAliveResponse>* KeepAlive(
      grpc::CallbackServerContext* context) override;

 private:
  Environment* const environment_;
};

}  // namespace cairn::rpc
