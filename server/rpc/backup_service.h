// BackupService: the calls that make a log again from a backup (backup.proto).
//
// Threads: gRPC's. Lifetime: as RpcServer, which owns it.
#pragma once

#include "cairn/v1/backup.grpc.pb.h"
#include "server/rpc/call.h"

namespace cairn::rpc {

class BackupService final : public v1::BackupService::CallbackService {
 public:
  explicit BackupService(Environment* environment) : environment_(environment) {}

  grpc::ServerUnaryReactor* BeginImport(grpc::CallbackServerContext* context,
                                        const v1::BeginImportRequest* request,
                                        v1::BeginImportResponse* response) override;
  grpc::ServerUnaryReactor* ImportRecords(grpc::CallbackServerContext* context,
                                          const v1::ImportRecordsRequest* request,
                                          v1::ImportRecordsResponse* response) override;
  grpc::ServerUnaryReactor* FinishImport(grpc::CallbackServerContext* context,
                                         const v1::FinishImportRequest* request,
                                         v1::FinishImportResponse* response) override;
  grpc::ServerUnaryReactor* GetChain(grpc::CallbackServerContext* context,
                                     const v1::GetChainRequest* request,
                                     v1::GetChainResponse* response) override;

 private:
  Environment* const environment_;
};

}  // namespace cairn::rpc
