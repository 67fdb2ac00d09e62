// Looking back into a log: the newest record that has something to tell.
//
// The newest records are read first, and ever more of them; most logs tell it among their last few.
//
// Threads: blocks; from any thread. Bounds: memory of one batch.
#pragma once

#include <optional>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "cairn/log.h"

namespace cairn::adapter {

// What a record tells; nullopt: nothing.
using LookAtRecord = absl::FunctionRef<absl::StatusOr<std::optional<Seq>>(const Record&)>;

// What the newest of the records [first, last] tells that tells something; nullopt: none does.
// Errors: those of the log and of `look`, which may see records again.
absl::StatusOr<std::optional<Seq>> FindNewest(const Log& log, Seq first, Seq last,
                                              LookAtRecord look);

}  // namespace cairn::adapter
