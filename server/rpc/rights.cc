#include "server/rpc/rights.h"

#include <array>

#include "base/check.h"

namespace cairn::rpc {
namespace {

// In the order of Rpc.
constexpr std::array kRules = {
    RpcRule{Rpc::kCreateLog, "/cairn.v1.LogService/CreateLog", Need::kAdmin, true},
    RpcRule{Rpc::kDescribeLog, "/cairn.v1.LogService/DescribeLog", Need::kAnyRight, false},
    // Lists those on which the caller has a right.
    RpcRule{Rpc::kListLogs, "/cairn.v1.LogService/ListLogs", Need::kPrincipal, false},
    RpcRule{Rpc::kUpdateLog, "/cairn.v1.LogService/UpdateLog", Need::kAdmin, true},
    RpcRule{Rpc::kDeleteLog, "/cairn.v1.LogService/DeleteLog", Need::kAdmin, true},
    RpcRule{Rpc::kAppend, "/cairn.v1.LogService/Append", Need::kAppend, false},
    RpcRule{Rpc::kAppendStream, "/cairn.v1.LogService/AppendStream", Need::kAppend, false},
    RpcRule{Rpc::kRegisterProducer, "/cairn.v1.LogService/RegisterProducer", Need::kAppend, false},
    RpcRule{Rpc::kRead, "/cairn.v1.LogService/Read", Need::kRead, false},
    RpcRule{Rpc::kTail, "/cairn.v1.LogService/Tail", Need::kRead, false},
    RpcRule{Rpc::kTrim, "/cairn.v1.LogService/Trim", Need::kAdmin, true},
    RpcRule{Rpc::kRegisterSnapshot, "/cairn.v1.LogService/RegisterSnapshot", Need::kAppend, true},
    RpcRule{Rpc::kAcquire, "/cairn.v1.LeaseService/Acquire", Need::kLease, false},
    RpcRule{Rpc::kRenew, "/cairn.v1.LeaseService/Renew", Need::kLease, false},
    RpcRule{Rpc::kKeepAlive, "/cairn.v1.LeaseService/KeepAlive", Need::kLease, false},
    RpcRule{Rpc::kRelease, "/cairn.v1.LeaseService/Release", Need::kLease, false},
    RpcRule{Rpc::kTransfer, "/cairn.v1.LeaseService/Transfer", Need::kLease, false},
    RpcRule{Rpc::kGetLease, "/cairn.v1.LeaseService/Get", Need::kAnyRight, false},
    // Shows the groups of logs on which the caller has a right.
    RpcRule{Rpc::kStatus, "/cairn.v1.ClusterService/Status", Need::kPrincipal, false},
    RpcRule{Rpc::kMembers, "/cairn.v1.ClusterService/Members", Need::kPrincipal, false},
    // Without a log, of all that the node leads: `admin` on "*".
    RpcRule{Rpc::kTransferLeadership, "/cairn.v1.ClusterService/TransferLeadership", Need::kAdmin,
            true},
    RpcRule{Rpc::kCanIStop, "/cairn.v1.ClusterService/CanIStop", Need::kAdminOfAll, false},
    RpcRule{Rpc::kAddMember, "/cairn.v1.ClusterService/AddMember", Need::kAdminOfAll, true},
    RpcRule{Rpc::kChangeMember, "/cairn.v1.ClusterService/ChangeMember", Need::kAdminOfAll, true},
    RpcRule{Rpc::kMoveReplica, "/cairn.v1.ClusterService/MoveReplica", Need::kAdmin, true},
    RpcRule{Rpc::kWhoAmI, "/cairn.v1.AuthService/WhoAmI", Need::kNothing, false},
    RpcRule{Rpc::kGetPolicy, "/cairn.v1.AuthService/GetPolicy", Need::kAdminOfAll, false},
    RpcRule{Rpc::kPutPrincipal, "/cairn.v1.AuthService/PutPrincipal", Need::kAdminOfAll, true},
    RpcRule{Rpc::kDeletePrincipal, "/cairn.v1.AuthService/DeletePrincipal", Need::kAdminOfAll,
            true},
    RpcRule{Rpc::kCreateToken, "/cairn.v1.AuthService/CreateToken", Need::kAdminOfAll, true},
    RpcRule{Rpc::kRevokeToken, "/cairn.v1.AuthService/RevokeToken", Need::kAdminOfAll, true},
    RpcRule{Rpc::kPutTenantQuota, "/cairn.v1.AuthService/PutTenantQuota", Need::kAdminOfAll, true},
    RpcRule{Rpc::kDeleteTenantQuota, "/cairn.v1.AuthService/DeleteTenantQuota", Need::kAdminOfAll,
            true},
    RpcRule{Rpc::kEnable, "/cairn.v1.AuthService/Enable", Need::kAdminOfAll, true},
    RpcRule{Rpc::kDisable, "/cairn.v1.AuthService/Disable", Need::kAdminOfAll, true},
    RpcRule{Rpc::kBeginImport, "/cairn.v1.BackupService/BeginImport", Need::kAdmin, true},
    RpcRule{Rpc::kImportRecords, "/cairn.v1.BackupService/ImportRecords", Need::kAdmin, false},
    RpcRule{Rpc::kFinishImport, "/cairn.v1.BackupService/FinishImport", Need::kAdmin, true},
    RpcRule{Rpc::kGetChain, "/cairn.v1.BackupService/GetChain", Need::kRead, false},
    RpcRule{Rpc::kIntroduce, "/cairn.v1.PeerService/Introduce", Need::kMember, false},
    RpcRule{Rpc::kForm, "/cairn.v1.PeerService/Form", Need::kMember, false},
    RpcRule{Rpc::kJoin, "/cairn.v1.PeerService/Join", Need::kMember, true},
    RpcRule{Rpc::kSettle, "/cairn.v1.PeerService/Settle", Need::kMember, false},
};

constexpr bool IsInOrder() {
  for (size_t i = 0; i < kRules.size(); ++i) {
    if (static_cast<size_t>(kRules[i].rpc) != i) return false;
  }
  return kRules.size() == static_cast<size_t>(Rpc::kSettle) + 1;
}
static_assert(IsInOrder());

}  // namespace

std::span<const RpcRule> RpcRules() { return kRules; }

const RpcRule& RuleOf(Rpc rpc) { return kRules[static_cast<size_t>(rpc)]; }

std::string_view NameOf(Need need) {
  switch (need) {
    case Need::kNothing:
      return "none";
    case Need::kPrincipal:
      return "to be known";
    case Need::kAnyRight:
      return "any";
    case Need::kAppend:
      return "append";
    case Need::kRead:
      return "read";
    case Need::kLease:
      return "lease";
    case Need::kAdmin:
    case Need::kAdminOfAll:
      return "admin";
    case Need::kMember:
      return "membership";
  }
  CHECK_UNREACHABLE();
}

}  // namespace cairn::rpc
