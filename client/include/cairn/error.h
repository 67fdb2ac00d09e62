// Errors of the client library: an absl::Status whose payload says why.
//
// Every refusal that a Cairn server gives carries an ErrorInfo; GetErrorInfo() reads it back.
// What to do next follows from three questions, in this order:
//
//   status.ok()                 done.
//   IsUnknownOutcome(status)    it may or may not have been done: only a lost connection or a
//                               deadline gives this. Resolve it by an idempotent retry (a
//                               Producer does that by itself), a read, or DescribeLog.
//   otherwise                   certainly not done; GetReason(status) says why.
//
// A status without ErrorInfo that is not an unknown outcome was given by the library itself,
// before anything was sent: kInvalidArgument (a bound or an option), kCancelled (the object was
// closed), kDeadlineExceeded is *not* among them when a request was sent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "base/ids.h"
#include "cairn/types.h"

namespace cairn {

// Mirrors cairn.v1.Reason, value by value; error.proto tells more about each.
enum class Reason : int {
  kUnspecified = 0,      // No ErrorInfo: the transport or the library itself.
  kNotLeader = 1,        // Handled inside the library; surfaces when the deadline passes.
  kConditionFailed = 2,  // The log moved: read on from last_seq, then decide anew.
  kLeaseHeld = 3,        // Somebody else holds the lease: `lease`. Wait or watch the tail.
  kLeaseLost = 4,        // Final for that epoch: stop acting as the holder.
  kLogNotFound = 5,      // Create it, or correct the name.
  kLogRecreated = 6,     // The name is another log now: open it anew and start over.
  kLogExists = 7,        // CreateLog: the name is taken by log_id.
  kProducerExpired = 8,  // Unanswered appends are unknown: read the log, open a new Producer.
  kTrimmed = 9,          // Start at first_seq, or from a snapshot that covers the gap.
  kSeqInFuture = 10,     // The log ends at last_seq.
  kTooLarge = 11,        // `limit` was passed by `actual`: send less.
  kInvalid = 12,         // The request is malformed: a bug in the caller.
  kOverloaded = 13,      // Nothing was done; the library waits and retries until the deadline.
  kTrimGuarded = 14,     // No verified snapshot covers it: register one, or trim with force.
  kFenceRequired = 15,   // The log is fenced: append with if_lease_epoch.
  kDuplicateGap = 16,    // Two writers share one producer id: a bug.
  kStorageFull = 17,     // Nothing was done; works again when the disk has space.
  kUnauthenticated =
      18,  // Give credentials, or others: those given are unknown, revoked or expired.
  kPermissionDenied = 19,  // Ask for the right that the message names.
  kLogHalted = 20,         // That replica contradicts itself: page someone. Reads go elsewhere.
  kChainMismatch = 21,     // The snapshot is not of this log's history: throw it away.
  kTableFull = 22,         // Too many producers, leases or logs: `limit`.
  kShuttingDown = 23,      // Handled inside the library.
  kStreamBroken = 24,      // Handled inside the library.
  kNotCaughtUp = 25,       // The heir is behind: retry when it has caught up.
  kNotReady = 26,          // The cluster is forming; surfaces when the deadline passes.
  kOutcomeUnknown = 27,    // IsUnknownOutcome() is true.
  kNoSuchPrincipal = 28,   // The policy has no principal, or no token, of that name.
  kLockOut = 29,  // Nobody could administer the policy any more: give another one admin first.
  kArchiveDamaged = 30,  // An object of the archive is not what was stored: the message names it.
  kArchiveUnavailable = 31,  // The record is in the archive only, which does not answer. Retry.
};
// "NOT_LEADER", …; "UNSPECIFIED" for values of a newer server.
std::string_view ReasonName(Reason reason);

// Details of a refusal. Which fields are set depends on the reason; the rest are zero.
struct ErrorInfo {
  Reason reason = Reason::kUnspecified;
  std::string log;
  LogId log_id;                // The log that the name stands for now.
  std::string leader_address;  // "host:port"; empty: unknown.
  Seq last_seq;
  Seq first_seq;
  LeaseInfo lease;
  uint64_t limit = 0;
  uint64_t actual = 0;
  uint64_t retry_after_ms = 0;
  uint64_t expected_sequence = 0;
  uint64_t chain = 0;
};

// The ErrorInfo of a status of this library; nullopt when it carries none.
[[nodiscard]] std::optional<ErrorInfo> GetErrorInfo(const absl::Status& status);

// The reason of a status; kUnspecified when it carries none (OK included).
[[nodiscard]] Reason GetReason(const absl::Status& status);

// True when the caller lacks a right, or is nobody that the cluster knows.
[[nodiscard]] bool IsDenied(const absl::Status& status);

// True when the call may or may not have taken effect. False for OK and for every refusal.
[[nodiscard]] bool IsUnknownOutcome(const absl::Status& status);

}  // namespace cairn
