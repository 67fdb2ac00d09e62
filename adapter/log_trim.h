// LogTrim: how much of a cache's log is kept behind a snapshot, and letting go of the rest.
//
// Never further than the snapshot's own record, nor than the newest whole unit that it holds:
// whoever looks where the log's stream stands finds it there, also if it is a run of records.
//
// Threads: blocks; from any thread. Errors: those of the log.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "adapter/cache_kind.h"
#include "base/ids.h"
#include "cairn/log.h"

namespace cairn::adapter {

struct TrimPolicy {
  enum class Kind : uint8_t { kNone, kKeepRecords, kKeepTime };
  Kind kind = Kind::kNone;
  uint64_t keep_records = 0;
  absl::Duration keep_time;  // By log time, back from the newest record.
};

// "none", "keep-records=N", "keep-time=10m". Errors: kInvalidArgument: what was expected.
absl::StatusOr<TrimPolicy> ParseTrimPolicy(std::string_view text);

// Trims by the policy. `covered`: of the snapshot that is registered. Returns the first record
// that is kept.
absl::StatusOr<Seq> TrimLog(Log log, const TrimPolicy& policy, CacheKind kind, Seq covered);

}  // namespace cairn::adapter
