// The retry policy: what to do after a call or a stream failed. Pure.
//
// A refusal (ErrorInfo) is certain, so whether to retry depends on its reason alone. A transport
// error leaves the outcome open: it is retried only where repeating is harmless, or where nothing
// was sent (design section 4; architecture section 10).
#pragma once

#include "absl/status/status.h"
#include "client/src/stub.h"

namespace cairn::client {

// What the retry policy must know of a call.
struct CallTraits {
  // Doing it twice equals doing it once: reads, renewals, sequenced appends, calls that name
  // their final state.
  bool idempotent = false;
  // The log is known to exist, so LOG_NOT_FOUND may only mean that a replica has not heard of it.
  bool log_known = false;
  // Wait for STORAGE_FULL to pass, as for OVERLOADED.
  bool wait_out_storage_full = false;
};

enum class Verdict {
  kGiveUp,     // Tell the caller.
  kElsewhere,  // Try another node.
  kHere,       // The right node, at a bad time: try it again after a pause.
};

Verdict Judge(const absl::Status& status, const CallTraits& traits);

// Pause that an overloaded node asks for, in microseconds; at least 5 ms.
int64_t AskedPauseUs(const absl::Status& status);

// Calls whose repetition is harmless, whoever makes them.
bool IsIdempotent(Method method);

// Calls that change nothing, so that no outcome of theirs can be in doubt.
bool IsReadOnly(Method method);

}  // namespace cairn::client
