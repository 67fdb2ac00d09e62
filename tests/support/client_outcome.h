// NoteOutcome: how a call of the client library ended, in the words of a history.
#pragma once

#include "absl/status/status.h"
#include "cairn/error.h"
#include "tests/history/history_types.h"

namespace cairn::history {

inline Outcome OutcomeOf(const absl::Status& status) {
  if (status.ok()) return Outcome::kDone;
  if (IsUnknownOutcome(status)) return Outcome::kUnknown;
  switch (GetReason(status)) {
    case Reason::kConditionFailed:
      return Outcome::kConditionFailed;
    case Reason::kLeaseHeld:
      return Outcome::kLeaseHeld;
    case Reason::kLeaseLost:
      return Outcome::kLeaseLost;
    case Reason::kFenceRequired:
      return Outcome::kFenceRequired;
    default:
      return Outcome::kRefused;
  }
}

// Takes the library at its word: what it does not call unknown was certainly not done. Sets the
// outcome, and what a refusal tells beside its reason.
inline void NoteOutcome(const absl::Status& status, Operation& operation) {
  operation.outcome = OutcomeOf(status);
  const auto info = GetErrorInfo(status);
  if (!info) return;
  if (operation.outcome == Outcome::kConditionFailed) operation.last_seq = info->last_seq;
  if (operation.outcome == Outcome::kLeaseHeld || operation.outcome == Outcome::kLeaseLost) {
    operation.lease = LeaseSeen{info->lease.epoch, info->lease.holder};
  }
}

}  // namespace cairn::history
