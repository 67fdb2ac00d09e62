// BenchRecorder: collects what a load run saw, from any number of threads.
//
// Only what *ends* inside the measured window counts: after the warm-up and before
// the end. Failures count over the whole run, since none should happen at all.
// Threads: all methods from any thread.
#pragma once

#include <cstdint>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "cli/bench_options.h"
#include "cli/histogram.h"

namespace cairn::cli {

// Of the steady clock, in nanoseconds.
int64_t NowNanos();

class BenchRecorder {
 public:
  // The window is [start + warm-up, start + warm-up + duration).
  BenchRecorder(const BenchOptions& options, int64_t start_ns);

  // An operation that began (or should have begun) at `begin_ns` and ended at `end_ns`.
  void Done(int64_t begin_ns, int64_t end_ns, uint64_t payload_bytes);
  // An operation that failed; a lost comparison is a conflict, not an error.
  void Failed(const absl::Status& status);

  [[nodiscard]] int64_t end_ns() const { return window_end_ns_; }
  // Everything but the name of the bench. `now_ns`: when the run ended, if before its time.
  [[nodiscard]] BenchReport Report(int64_t now_ns) const;

 private:
  const BenchOptions options_;
  const int64_t window_begin_ns_;
  const int64_t window_end_ns_;

  mutable absl::Mutex mutex_;
  Histogram histogram_ ABSL_GUARDED_BY(mutex_);
  uint64_t payload_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t errors_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t unknown_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t conflicts_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string first_error_ ABSL_GUARDED_BY(mutex_);
  int64_t last_done_ns_ ABSL_GUARDED_BY(mutex_) = 0;  // 0: none yet.
  int64_t gap_ns_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t gap_begin_ns_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace cairn::cli
