// LogVisitor: takes what a log holds, in order, while it is read to be checked (check_logs.h).
//
// It is given what was found to be in order, and nothing behind the first thing that was not: the
// state before the first kept entry, then entries, and between them the states that segments begin
// with, each right behind the entry that it follows.
#pragma once

#include "absl/status/status.h"
#include "storage/log_store.h"

namespace cairn::storage {

class LogVisitor {
 public:
  virtual ~LogVisitor() = default;

  // Errors: kDataLoss: what is given makes no sense, so the log ends before it; any other one ends
  // the reading.
  virtual absl::Status OnSegment(const SegmentRow& row) = 0;
  virtual absl::Status OnEntry(const StoredEntry& entry) = 0;
};

}  // namespace cairn::storage
