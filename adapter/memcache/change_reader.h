// ChangeReader: which items the records of a cache's log make stale elsewhere.
//
//   Tailer ──records, in order──► ChangeReader ──changes──► InvalidationLane
//
// Unlike RecordReader it may begin with any record: a key is all that it wants of one. An item that
// is larger than a record changes with the last record of its run, and not before: who fetches it
// anew in between would fetch the old one.
//
// A touch is no change: the value stays. But one that ends the item's life at once is a deletion.
//
// Threads: of one consumer. Bounds: one key.
// Errors: those of record_mark.h and effect_codec.h, after which the record counts as not read.
#pragma once

#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "base/ids.h"
#include "cairn/types.h"

namespace cairn::adapter::memcache {

struct ItemChange {
  Seq seq;
  std::string_view key;  // Empty: all items are gone. Valid until the visitor returns.
  bool binary = false;
};

class ChangeReader {
 public:
  using Visitor = absl::FunctionRef<void(const ItemChange& change)>;

  // Goes on behind `seq`.
  explicit ChangeReader(Seq seq) : settled_(seq) {}

  // `log_time_us`: of the record.
  absl::Status Next(const Record& record, int64_t log_time_us, Visitor visit);

  // Through there nothing is held back: within a run, the record in front of it.
  [[nodiscard]] Seq settled() const { return settled_; }

 private:
  absl::Status Visit(const Record& record, int64_t log_time_us, Visitor visit);

  Seq settled_;
  std::string run_key_;  // Of the run that is coming in; empty: none is.
  bool run_binary_ = false;
};

}  // namespace cairn::adapter::memcache
