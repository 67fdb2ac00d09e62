// WantedPosition: what an operator names with --at: a record of a log, or a moment of its time.
//
// Threads: ParsePosition is pure; ResolvePosition blocks.
#pragma once

#include <string_view>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/ids.h"
#include "cairn/log.h"

namespace cairn::adapter {

struct AtEnd {};
using WantedPosition = std::variant<AtEnd, Seq, absl::Time>;

// "end", "4711", "2026-11-21T12:30:00Z", "2026-11-21 12:30:00.5", "2026-11-21" (UTC).
// Errors: kInvalidArgument: what was expected.
absl::StatusOr<WantedPosition> ParsePosition(std::string_view text);

// The last record as of then. Errors: kInvalidArgument: there is none, or it is not known; those of
// the log.
absl::StatusOr<Seq> ResolvePosition(Log log, const WantedPosition& wanted);

}  // namespace cairn::adapter
