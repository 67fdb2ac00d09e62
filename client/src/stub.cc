#include "client/src/stub.h"

#include "base/check.h"
#include "cairn/v1/auth.pb.h"
#include "cairn/v1/backup.pb.h"
#include "cairn/v1/cluster.pb.h"
#include "cairn/v1/lease.pb.h"
#include "cairn/v1/log.pb.h"

namespace cairn::client {

std::string_view MethodPath(Method method) {
  switch (method) {
    case Method::kCreateLog:
      return "/cairn.v1.LogService/CreateLog";
    case Method::kDescribeLog:
      return "/cairn.v1.LogService/DescribeLog";
    case Method::kListLogs:
      return "/cairn.v1.LogService/ListLogs";
    case Method::kUpdateLog:
      return "/cairn.v1.LogService/UpdateLog";
    case Method::kDeleteLog:
      return "/cairn.v1.LogService/DeleteLog";
    case Method::kAppend:
      return "/cairn.v1.LogService/Append";
    case Method::kAppendStream:
      return "/cairn.v1.LogService/AppendStream";
    case Method::kRegisterProducer:
      return "/cairn.v1.LogService/RegisterProducer";
    case Method::kRead:
      return "/cairn.v1.LogService/Read";
    case Method::kTail:
      return "/cairn.v1.LogService/Tail";
    case Method::kTrim:
      return "/cairn.v1.LogService/Trim";
    case Method::kRegisterSnapshot:
      return "/cairn.v1.LogService/RegisterSnapshot";
    case Method::kAcquire:
      return "/cairn.v1.LeaseService/Acquire";
    case Method::kRenew:
      return "/cairn.v1.LeaseService/Renew";
    case Method::kRelease:
      return "/cairn.v1.LeaseService/Release";
    case Method::kTransfer:
      return "/cairn.v1.LeaseService/Transfer";
    case Method::kGetLease:
      return "/cairn.v1.LeaseService/Get";
    case Method::kStatus:
      return "/cairn.v1.ClusterService/Status";
    case Method::kMembers:
      return "/cairn.v1.ClusterService/Members";
    case Method::kTransferLeadership:
      return "/cairn.v1.ClusterService/TransferLeadership";
    case Method::kCanIStop:
      return "/cairn.v1.ClusterService/CanIStop";
    case Method::kAddMember:
      return "/cairn.v1.ClusterService/AddMember";
    case Method::kChangeMember:
      return "/cairn.v1.ClusterService/ChangeMember";
    case Method::kMoveReplica:
      return "/cairn.v1.ClusterService/MoveReplica";
    case Method::kWhoAmI:
      return "/cairn.v1.AuthService/WhoAmI";
    case Method::kGetPolicy:
      return "/cairn.v1.AuthService/GetPolicy";
    case Method::kPutPrincipal:
      return "/cairn.v1.AuthService/PutPrincipal";
    case Method::kDeletePrincipal:
      return "/cairn.v1.AuthService/DeletePrincipal";
    case Method::kCreateToken:
      return "/cairn.v1.AuthService/CreateToken";
    case Method::kRevokeToken:
      return "/cairn.v1.AuthService/RevokeToken";
    case Method::kPutTenantQuota:
      return "/cairn.v1.AuthService/PutTenantQuota";
    case Method::kDeleteTenantQuota:
      return "/cairn.v1.AuthService/DeleteTenantQuota";
    case Method::kEnable:
      return "/cairn.v1.AuthService/Enable";
    case Method::kDisable:
      return "/cairn.v1.AuthService/Disable";
    case Method::kBeginImport:
      return "/cairn.v1.BackupService/BeginImport";
    case Method::kImportRecords:
      return "/cairn.v1.BackupService/ImportRecords";
    case Method::kFinishImport:
      return "/cairn.v1.BackupService/FinishImport";
    case Method::kGetChain:
      return "/cairn.v1.BackupService/GetChain";
  }
  CHECK_UNREACHABLE();
}

std::unique_ptr<google::protobuf::Message> NewResponse(Method method) {
  switch (method) {
    case Method::kCreateLog:
      return std::make_unique<v1::CreateLogResponse>();
    case Method::kDescribeLog:
      return std::make_unique<v1::DescribeLogResponse>();
    case Method::kListLogs:
      return std::make_unique<v1::ListLogsResponse>();
    case Method::kUpdateLog:
      return std::make_unique<v1::UpdateLogResponse>();
    case Method::kDeleteLog:
      return std::make_unique<v1::DeleteLogResponse>();
    case Method::kAppend:
      return std::make_unique<v1::AppendResponse>();
    case Method::kAppendStream:
      return std::make_unique<v1::AppendStreamResponse>();
    case Method::kRegisterProducer:
      return std::make_unique<v1::RegisterProducerResponse>();
    case Method::kRead:
      return std::make_unique<v1::ReadResponse>();
    case Method::kTail:
      return std::make_unique<v1::TailResponse>();
    case Method::kTrim:
      return std::make_unique<v1::TrimResponse>();
    case Method::kRegisterSnapshot:
      return std::make_unique<v1::RegisterSnapshotResponse>();
    case Method::kAcquire:
      return std::make_unique<v1::AcquireResponse>();
    case Method::kRenew:
      return std::make_unique<v1::RenewResponse>();
    case Method::kRelease:
      return std::make_unique<v1::ReleaseResponse>();
    case Method::kTransfer:
      return std::make_unique<v1::TransferResponse>();
    case Method::kGetLease:
      return std::make_unique<v1::GetResponse>();
    case Method::kStatus:
      return std::make_unique<v1::StatusResponse>();
    case Method::kMembers:
      return std::make_unique<v1::MembersResponse>();
    case Method::kTransferLeadership:
      return std::make_unique<v1::TransferLeadershipResponse>();
    case Method::kCanIStop:
      return std::make_unique<v1::CanIStopResponse>();
    case Method::kAddMember:
      return std::make_unique<v1::AddMemberResponse>();
    case Method::kChangeMember:
      return std::make_unique<v1::ChangeMemberResponse>();
    case Method::kMoveReplica:
      return std::make_unique<v1::MoveReplicaResponse>();
    case Method::kWhoAmI:
      return std::make_unique<v1::WhoAmIResponse>();
    case Method::kGetPolicy:
      return std::make_unique<v1::GetPolicyResponse>();
    case Method::kPutPrincipal:
      return std::make_unique<v1::PutPrincipalResponse>();
    case Method::kDeletePrincipal:
      return std::make_unique<v1::DeletePrincipalResponse>();
    case Method::kCreateToken:
      return std::make_unique<v1::CreateTokenResponse>();
    case Method::kRevokeToken:
      return std::make_unique<v1::RevokeTokenResponse>();
    case Method::kPutTenantQuota:
      return std::make_unique<v1::PutTenantQuotaResponse>();
    case Method::kDeleteTenantQuota:
      return std::make_unique<v1::DeleteTenantQuotaResponse>();
    case Method::kEnable:
      return std::make_unique<v1::EnableResponse>();
    case Method::kDisable:
      return std::make_unique<v1::DisableResponse>();
    case Method::kBeginImport:
      return std::make_unique<v1::BeginImportResponse>();
    case Method::kImportRecords:
      return std::make_unique<v1::ImportRecordsResponse>();
    case Method::kFinishImport:
      return std::make_unique<v1::FinishImportResponse>();
    case Method::kGetChain:
      return std::make_unique<v1::GetChainResponse>();
  }
  CHECK_UNREACHABLE();
}

}  // namespace cairn::client
