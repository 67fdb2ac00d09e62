#include "cli/errors.h"

#include <fmt/format.h>

#include "base/check.h"
#include "base/strings.h"
#include "cairn/error.h"
#include "cairn/request_id.h"

namespace cairn::cli {
namespace {

struct Verdict {
  ExitCode exit_code;
  std::string advice;
};

std::string HolderOf(const ErrorInfo& info) {
  if (info.lease.holder.empty()) return "nobody holds it now";
  return fmt::format("{} holds it with epoch {}", info.lease.holder, info.lease.epoch);
}

// There is no `default`: a new reason does not compile until someone decides what the
// caller should do about it.
Verdict Judge(const ErrorInfo& info) {
  switch (info.reason) {
    case Reason::kUnspecified:
      return {ExitCode::kError, ""};
    case Reason::kNotLeader:
      return {ExitCode::kUnavailable,
              "no leader answered in time: look at `cairn cluster status` and try again"};
    case Reason::kConditionFailed:
      return {ExitCode::kConditionFailed,
              fmt::format("the last seq is {}: read on to it, then decide anew", info.last_seq)};
    case Reason::kLeaseHeld:
      return {ExitCode::kConditionFailed, fmt::format("{}: wait {} ms, or watch `cairn tail -f`",
                                                      HolderOf(info), info.lease.remaining_ms)};
    case Reason::kLeaseLost:
      return {ExitCode::kConditionFailed,
              fmt::format("{}: acquire the lease anew for a new epoch", HolderOf(info))};
    case Reason::kLogNotFound:
      return {ExitCode::kNotFound,
              "list the logs with `cairn log ls`, or create it with "
              "`cairn log create`"};
    case Reason::kLogRecreated:
      return {ExitCode::kNotFound,
              fmt::format("the name now means the log of id {}: start over", info.log_id)};
    case Reason::kLogExists:
      return {ExitCode::kConditionFailed, "choose another name, or pass --if-not-exists"};
    case Reason::kProducerExpired:
      return {ExitCode::kUnknownOutcome,
              "read the end of the log to see what arrived before sending again"};
    case Reason::kTrimmed:
      return {ExitCode::kNotFound,
              fmt::format("the oldest kept record is {}: start there with --from first",
                          info.first_seq)};
    case Reason::kSeqInFuture:
      return {ExitCode::kNotFound, fmt::format("the log ends at seq {}", info.last_seq)};
    case Reason::kTooLarge:
      return {ExitCode::kError, fmt::format("the limit is {}, this has {}: send less at a time",
                                            info.limit, info.actual)};
    case Reason::kInvalid:
      return {ExitCode::kUsage, "correct the command; --help shows its forms"};
    case Reason::kOverloaded:
      return {ExitCode::kUnavailable, "nothing was done: try again later or send more slowly"};
    case Reason::kTrimGuarded:
      return {ExitCode::kConditionFailed,
              fmt::format("snapshots allow --first-seq {} at most: register a newer one with "
                          "`cairn snapshot register`, or pass --force",
                          info.first_seq)};
    case Reason::kFenceRequired:
      return {ExitCode::kConditionFailed,
              "the log is fenced: acquire a lease and pass --lease NAME:EPOCH"};
    case Reason::kDuplicateGap:
      return {ExitCode::kError, "two writers share one producer id: run the command again"};
    case Reason::kStorageFull:
      return {ExitCode::kUnavailable,
              "nothing was done: free disk space on the nodes (`cairn doctor` shows it)"};
    case Reason::kUnauthenticated:
      return {ExitCode::kDenied, "pass --token-file or --certificate-file with --key-file"};
    case Reason::kPermissionDenied:
      return {ExitCode::kDenied,
              "ask the cluster's administrator for the right (`cairn auth grant`)"};
    case Reason::kLogHalted:
      return {ExitCode::kDataLoss,
              "that replica contradicts itself: tell the operator, and use another node meanwhile"};
    case Reason::kChainMismatch:
      return {ExitCode::kConditionFailed,
              fmt::format("the log's chain there is {}: the snapshot is of another history",
                          FormatHash(info.chain))};
    case Reason::kTableFull:
      return {ExitCode::kUnavailable,
              fmt::format("the limit is {}: remove what is not used", info.limit)};
    case Reason::kShuttingDown:
      return {ExitCode::kUnavailable, "the node is stopping: try again"};
    case Reason::kStreamBroken:
      return {ExitCode::kError, "an earlier append was refused: look at its error"};
    case Reason::kNotCaughtUp:
      return {ExitCode::kConditionFailed, "the target is behind: wait for it and try again"};
    case Reason::kNotReady:
      return {ExitCode::kUnavailable,
              "the cluster is forming: start the missing members, then try again"};
    case Reason::kNoSuchPrincipal:
      return {ExitCode::kNotFound,
              "list them with `cairn auth principal ls` and `cairn auth token ls`"};
    case Reason::kLockOut:
      return {ExitCode::kConditionFailed,
              "give a principal admin on '*' and a token first (`cairn auth grant`, "
              "`cairn auth token create`)"};
    case Reason::kArchiveDamaged:
      return {ExitCode::kDataLoss,
              "`cairn archive verify` says what else is damaged: put the object back"};
    case Reason::kArchiveUnavailable:
      return {ExitCode::kUnavailable, "the archive does not answer: try again"};
    case Reason::kOutcomeUnknown:
      return {ExitCode::kUnknownOutcome, "it may have been done: read the log before trying again"};
  }
  return {ExitCode::kError, "this tool is older than the server: update it"};
}

// A status without ErrorInfo: the transport, the library or this tool itself.
Verdict JudgeCode(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
      return {ExitCode::kUsage, ""};
    case absl::StatusCode::kNotFound:
      return {ExitCode::kNotFound, ""};
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return {ExitCode::kUnavailable,
              "check --endpoints or CAIRN_ENDPOINTS, and that the nodes run (`cairn doctor`)"};
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
      return {ExitCode::kDenied, ""};
    case absl::StatusCode::kDataLoss:
      return {ExitCode::kDataLoss, ""};
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAborted:
      return {ExitCode::kConditionFailed, ""};
    default:
      return {ExitCode::kError, ""};
  }
}

}  // namespace

Failure ToFailure(const absl::Status& status) {
  CHECK(!status.ok());
  Failure failure{.message = std::string(ToStd(status.message()))};
  const std::optional<ErrorInfo> info = GetErrorInfo(status);
  Verdict verdict = info ? Judge(*info) : JudgeCode(status.code());
  if (IsUnknownOutcome(status) && verdict.exit_code != ExitCode::kUnknownOutcome) {
    verdict = {ExitCode::kUnknownOutcome,
               "it may or may not have been done: look at the log before trying again"};
  }
  failure.exit_code = verdict.exit_code;
  failure.advice = std::move(verdict.advice);
  failure.reason =
      info ? std::string(ReasonName(info->reason)) : absl::StatusCodeToString(status.code());
  failure.request_id = GetRequestId(status);
  return failure;
}

std::string FormatFailure(const Failure& failure) {
  std::string text = "cairn: " + failure.message;
  if (!failure.advice.empty()) text += "; " + failure.advice;
  if (text.back() != '.' && text.back() != '\n') text += '.';
  if (!failure.request_id.empty()) text += fmt::format(" (request {})", failure.request_id);
  return text + '\n';
}

}  // namespace cairn::cli
