#include "client/src/retry.h"

#include <algorithm>

#include "base/check.h"
#include "cairn/error.h"
#include "client/src/error_codec.h"

namespace cairn::client {
namespace {

constexpr int64_t kMinOverloadPauseUs = 5 * kMicrosPerMilli;
constexpr int64_t kMaxOverloadPauseUs = 2 * kMicrosPerSecond;

// Codes that a broken connection, a proxy or a dying server produce without any ErrorInfo.
bool IsTransportCode(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kAborted:
      return true;
    default:
      return false;
  }
}

}  // namespace

Verdict Judge(const absl::Status& status, const CallTraits& traits) {
  CHECK(!status.ok());
  if (WasNeverSent(status)) return Verdict::kElsewhere;
  switch (GetReason(status)) {
    case Reason::kNotLeader:
    case Reason::kShuttingDown:
    case Reason::kNotReady:
    case Reason::kStreamBroken:
      return Verdict::kElsewhere;
    case Reason::kLogHalted:           // Of that replica only.
    case Reason::kArchiveUnavailable:  // Another node may reach it.
      return Verdict::kElsewhere;
    case Reason::kLogNotFound:
      return traits.log_known ? Verdict::kElsewhere : Verdict::kGiveUp;
    case Reason::kOverloaded:
      return Verdict::kHere;
    case Reason::kStorageFull:
      return traits.wait_out_storage_full ? Verdict::kHere : Verdict::kGiveUp;
    case Reason::kOutcomeUnknown:
      return traits.idempotent ? Verdict::kHere : Verdict::kGiveUp;
    case Reason::kUnspecified:
      return traits.idempotent && IsTransportCode(status.code()) ? Verdict::kElsewhere
                                                                 : Verdict::kGiveUp;
    case Reason::kConditionFailed:
    case Reason::kLeaseHeld:
    case Reason::kLeaseLost:
    case Reason::kLogRecreated:
    case Reason::kLogExists:
    case Reason::kProducerExpired:
    case Reason::kTrimmed:
    case Reason::kSeqInFuture:
    case Reason::kTooLarge:
    case Reason::kInvalid:
    case Reason::kTrimGuarded:
    case Reason::kFenceRequired:
    case Reason::kDuplicateGap:
    case Reason::kUnauthenticated:
    case Reason::kPermissionDenied:
    case Reason::kChainMismatch:
    case Reason::kTableFull:
    case Reason::kNotCaughtUp:
    case Reason::kNoSuchPrincipal:
    case Reason::kLockOut:
    case Reason::kArchiveDamaged:
      return Verdict::kGiveUp;
  }
  return Verdict::kGiveUp;  // A reason of a newer server: certain, and not known to pass.
}

int64_t AskedPauseUs(const absl::Status& status) {
  const std::optional<ErrorInfo> info = GetErrorInfo(status);
  const auto asked_us =
      info ? static_cast<int64_t>(std::min<uint64_t>(info->retry_after_ms, 3'600'000)) *
                 kMicrosPerMilli
           : 0;
  return std::clamp(asked_us, kMinOverloadPauseUs, kMaxOverloadPauseUs);
}

bool IsIdempotent(Method method) {
  switch (method) {
    case Method::kUpdateLog:         // Names the final settings.
    case Method::kDeleteLog:         // Names the id; a repetition finds nothing.
    case Method::kRegisterProducer:  // An id that nobody uses is forgotten by itself.
    case Method::kTrim:              // Names the final first_seq.
    case Method::kRegisterSnapshot:
    case Method::kRenew:
    case Method::kRelease:       // Names the epoch, which never comes back.
    case Method::kAddMember:     // One that is there with the same address is answered the same.
    case Method::kChangeMember:  // Names the final state.
    case Method::kPutPrincipal:
    case Method::kDeletePrincipal:  // A repetition finds nothing; so does that of a revocation.
    case Method::kRevokeToken:
    case Method::kPutTenantQuota:
    case Method::kDeleteTenantQuota:
    case Method::kEnable:
    case Method::kDisable:
      return true;
    case Method::kCreateLog:
    case Method::kAppend:
    case Method::kAppendStream:
    case Method::kAcquire:
    case Method::kTransfer:
    case Method::kTransferLeadership:
    case Method::kMoveReplica:  // A repetition finds it moved.
    case Method::kCreateToken:
    case Method::kBeginImport:
    case Method::kImportRecords:  // A repetition finds another last seq; so does a second end.
    case Method::kFinishImport:
      return false;
    case Method::kGetChain:
    case Method::kDescribeLog:
    case Method::kListLogs:
    case Method::kRead:
    case Method::kTail:
    case Method::kGetLease:
    case Method::kStatus:
    case Method::kMembers:
    case Method::kCanIStop:
    case Method::kWhoAmI:
    case Method::kGetPolicy:
      return IsReadOnly(method);
  }
  CHECK_UNREACHABLE();
}

bool IsReadOnly(Method method) {
  switch (method) {
    case Method::kDescribeLog:
    case Method::kListLogs:
    case Method::kRead:
    case Method::kTail:
    case Method::kGetLease:
    case Method::kStatus:
    case Method::kMembers:
    case Method::kCanIStop:
    case Method::kWhoAmI:
    case Method::kGetPolicy:
    case Method::kGetChain:
      return true;
    default:
      return false;
  }
}

}  // namespace cairn::client
