// Rights: the table of every call that a node serves, with the right that it needs.
//
// A call that is not in the table does not exist: the handlers name their calls by Rpc, and
// tests/rpc/rights_test.cc compares the table with the services' definitions.
//
// Pure; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace cairn::rpc {

enum class Rpc : uint8_t {
  kCreateLog,
  kDescribeLog,
  kListLogs,
  kUpdateLog,
  kDeleteLog,
  kAppend,
  kAppendStream,
  kRegisterProducer,
  kRead,
  kTail,
  kTrim,
  kRegisterSnapshot,
  kAcquire,
  kRenew,
  kKeepAlive,
  kRelease,
  kTransfer,
  kGetLease,
  kStatus,
  kMembers,
  kTransferLeadership,
  kCanIStop,
  kAddMember,
  kChangeMember,
  kMoveReplica,
  kWhoAmI,
  kGetPolicy,
  kPutPrincipal,
  kDeletePrincipal,
  kCreateToken,
  kRevokeToken,
  kPutTenantQuota,
  kDeleteTenantQuota,
  kEnable,
  kDisable,
  kBeginImport,
  kImportRecords,
  kFinishImport,
  kGetChain,
  kIntroduce,
  kForm,
  kJoin,
  kSettle,
};

// What a call needs once the policy is on.
enum class Need : uint8_t {
  kNothing,
  kPrincipal,  // To be somebody that the policy knows.
  kAnyRight,   // Some right on the log that the call names.
  kAppend,     // That right on the log, and so on.
  kRead,
  kLease,
  kAdmin,
  kAdminOfAll,  // `admin` on "*".
  kMember,      // With TLS: a member's certificate, whatever the policy says.
};

struct RpcRule {
  Rpc rpc;
  const char* method;  // "/cairn.v1.LogService/Append"
  Need need;
  bool audited;  // It changes more than records and leases.
};

[[nodiscard]] std::span<const RpcRule> RpcRules();
[[nodiscard]] const RpcRule& RuleOf(Rpc rpc);

// "append", …; for sentences.
[[nodiscard]] std::string_view NameOf(Need need);

}  // namespace cairn::rpc
