// LogService: the log API (proto/cairn/v1/log.proto). Each handler checks bounds, converts,
// posts and lets the call's reactor finish; no rule of a log lives here.
//
// Read and Tail are raw methods: their responses are built from stored bytes (wire.h).
//
// Threads: gRPC's; handlers never block. Lifetime: `environment` outlives the service.
#pragma once

#include "cairn/v1/log.grpc.pb.h"
#include "server/rpc/call.h"

namespace cairn::rpc {

using RawReadAndTail = v1::LogService::WithRawCallbackMethod_Read<
    v1::LogService::WithRawCallbackMethod_Tail<v1::LogService::Service>>;
using TypedAppends =
    v1::LogService::WithCallbackMethod_Append<v1::LogService::WithCallbackMethod_AppendStream<
        v1::LogService::WithCallbackMethod_RegisterProducer<RawReadAndTail>>>;
using TypedUpkeep = v1::LogService::WithCallbackMethod_Trim<
    v1::LogService::WithCallbackMethod_RegisterSnapshot<TypedAppends>>;
using LogServiceBase =
    v1::LogService::WithCallbackMethod_CreateLog<v1::LogService::WithCallbackMethod_DescribeLog<
        v1::LogService::WithCallbackMethod_ListLogs<v1::LogService::WithCallbackMethod_UpdateLog<
            v1::LogService::WithCallbackMethod_DeleteLog<TypedUpkeep>>>>>;

class LogService final : public LogServiceBase {
 public:
  explicit LogService(Environment* environment) : environment_(environment) {}

  grpc::ServerUnaryReactor* CreateLog(grpc::CallbackServerContext* context,
                                      const v1::CreateLogRequest* request,
                                      v1::CreateLogResponse* response) override;
  grpc::ServerUnaryReactor* DescribeLog(grpc::CallbackServerContext* context,
                                        const v1::DescribeLogRequest* request,
                                        v1::DescribeLogResponse* response) override;
  grpc::ServerUnaryReactor* ListLogs(grpc::CallbackServerContext* context,
                                     const v1::ListLogsRequest* request,
                                     v1::ListLogsResponse* response) override;
  grpc::ServerUnaryReactor* UpdateLog(grpc::CallbackServerContext* context,
                                      const v1::UpdateLogRequest* request,
                                      v1::UpdateLogResponse* response) override;
  grpc::ServerUnaryReactor* DeleteLog(grpc::CallbackServerContext* context,
                                      const v1::DeleteLogRequest* request,
                                      v1::DeleteLogResponse* response) override;
  grpc::ServerUnaryReactor* Append(grpc::CallbackServerContext* context,
                                   const v1::AppendRequest* request,
                                   v1::AppendResponse* response) override;
  grpc::ServerBidiReactor<v1::AppendStreamRequest, v1::AppendStreamResponse>* AppendStream(
      grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* RegisterProducer(grpc::CallbackServerContext* context,
                                             const v1::RegisterProducerRequest* request,
                                             v1::RegisterProducerResponse* response) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* Read(grpc::CallbackServerContext* context,
                                                   const grpc::ByteBuffer* request) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* Tail(grpc::CallbackServerContext* context,
                                                   const grpc::ByteBuffer* request) override;
  grpc::ServerUnaryReactor* Trim(grpc::CallbackServerContext* context,
                                 const v1::TrimRequest* request,
                                 v1::TrimResponse* response) override;
  grpc::ServerUnaryReactor* RegisterSnapshot(grpc::CallbackServerContext* context,
                                             const v1::RegisterSnapshotRequest* request,
                                             v1::RegisterSnapshotResponse* response) override;

 private:
  Environment* const environment_;
};

}  // namespace cairn::rpc
