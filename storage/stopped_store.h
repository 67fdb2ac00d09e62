// StoppedStore: the data directory of a node that does not run, opened to be read, not changed.
//
//   lock ──► files: tables, logs, manifest, mark, small files, each by its own checksums
//        ──► database, opened to read only, its log ending before any damage
//        ──► how a start would judge the log's end (recovery.h)
//        ──► Read: the rows of one log against each other (check_logs.h)
//
// Nothing is written, not even who holds the lock. For whoever checks a directory (dir_check.h) or
// makes a new one of it (server/runtime/recover_data.h).
//
// Threads: the caller's. The lock is held until destruction. Memory: one file of the log at a time,
// and the memtables that the log fills.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/check_report.h"
#include "storage/log_store.h"
#include "storage/log_visitor.h"

namespace cairn::storage {

class StoppedStore {
 public:
  // Reads every file. Damage is a finding, not an error. Errors: kNotFound: no directory, or none
  // of a node; kFailedPrecondition: a process has it open, or its format is newer;
  // kPermissionDenied.
  static absl::StatusOr<std::unique_ptr<StoppedStore>> Open(const std::string& dir,
                                                            const CheckProgress& progress);
  ~StoppedStore();
  StoppedStore(const StoppedStore&) = delete;
  StoppedStore& operator=(const StoppedStore&) = delete;

  // Whether the database could be opened and says which logs there are.
  [[nodiscard]] bool readable() const;
  // What was found by now; the logs are not in it.
  [[nodiscard]] const CheckReport& report() const;
  // Those that are not in the trash, by id; last_index is not set. Empty unless readable().
  [[nodiscard]] const std::vector<StoredGroup>& groups() const;
  // Errors: kDataLoss: it cannot be told.
  [[nodiscard]] absl::StatusOr<NodeIdentity> Identity() const;

  // Reads one log, the catalog first if names are wanted, as far as it is in order. `visitor` may
  // be null. Errors: the visitor's. Requires: it is there.
  absl::StatusOr<CheckedLog> Read(GroupId id, const CheckProgress& progress, LogVisitor* visitor);
  // Reads all logs, those in the trash too. The last call.
  absl::StatusOr<CheckReport> ReadAll(const CheckProgress& progress);

 private:
  struct Impl;
  StoppedStore();
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn::storage
