#include "server/rpc/backup_service.h"

#include "server/rpc/catalog_call.h"
#include "server/rpc/group_call.h"

namespace cairn::rpc {
namespace {

using BeginCall = CatalogCall<v1::BeginImportRequest, v1::BeginImportResponse>;

// Within the node's memory for appends. No quota counts it: what is restored was paid for once.
class ImportCall final
    : public GroupCall<server::AppendDone, v1::ImportRecordsRequest, v1::ImportRecordsResponse> {
 public:
  using GroupCall::GroupCall;

  ImportCall* StartWithinBudget() {
    const uint64_t bytes = request().ByteSizeLong();
    if (environment().appends.TryTake(bytes)) {
      bytes_ = bytes;
      Start();
    } else {
      environment().node->metrics().overloaded(server::Overload::kRequestBytes).Increment();
      Refuse(Overloaded(request().log(), "the node's memory for appends (--request-bytes)"));
    }
    return this;
  }

 private:
  void Ending(const grpc::Status& /*status*/) override { environment().appends.Give(bytes_); }

  uint64_t bytes_ = 0;  // Of the budget.
};

}  // namespace

grpc::ServerUnaryReactor* BackupService::BeginImport(grpc::CallbackServerContext* context,
                                                     const v1::BeginImportRequest* request,
                                                     v1::BeginImportResponse* response) {
  return (new BeginCall(environment_, context, Rpc::kBeginImport, request->name(), request,
                        response))
      ->StartNew();
}

grpc::ServerUnaryReactor* BackupService::ImportRecords(grpc::CallbackServerContext* context,
                                                       const v1::ImportRecordsRequest* request,
                                                       v1::ImportRecordsResponse* response) {
  return (new ImportCall(environment_, context, Rpc::kImportRecords, request->log(), request,
                         response))
      ->StartWithinBudget();
}

grpc::ServerUnaryReactor* BackupService::FinishImport(grpc::CallbackServerContext* context,
                                                      const v1::FinishImportRequest* request,
                                                      v1::FinishImportResponse* response) {
  return StartCall<server::Done>(environment_, context, Rpc::kFinishImport, request, response);
}

grpc::ServerUnaryReactor* BackupService::GetChain(grpc::CallbackServerContext* context,
                                                  const v1::GetChainRequest* request,
                                                  v1::GetChainResponse* response) {
  return StartCall<server::ChainView>(environment_, context, Rpc::kGetChain, request, response);
}

}  // namespace cairn::rpc
