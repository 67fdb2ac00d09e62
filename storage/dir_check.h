// DirCheck: reads every byte of a node's data directory and says what is damaged.
//
// Each file is read by itself, then each log, all through stopped_store.h. What is checked and what
// is not data at all: docs/storage-format.md, section 9.
//
// Threads: the caller's. Memory: one file of the log at a time, and the memtables that the log
// fills. Time: each byte of a table is read twice, each of a log three times.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "storage/check_report.h"

namespace cairn::storage {

// Damage is a finding, not an error. Errors: kNotFound: no directory, or none of a node;
// kFailedPrecondition: a process has it open, or its format is newer; kPermissionDenied.
absl::StatusOr<CheckReport> CheckDirectory(const std::string& dir, const CheckProgress& progress);

}  // namespace cairn::storage
