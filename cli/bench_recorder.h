// BenchRecorder: collects what a load run saw, from any number of threads.
//
// Each thread has a histogram of its own, so that recording takes no lock and no cache line
// travels between cores: the load shares its machine with what it measures. They are merged
// for the report.
//
// What counts is what falls into the measured window, behind the warm-up. In a closed loop an
// operation belongs to the moment at which it *ended*; in an open loop to the moment at which it
// was *due*, so that those which a stall delayed past the end of the window still count.
// Failures count over the whole run, since none should happen at all.
// Threads: Done() and Failed() from any thread; Report() when no operation is under way.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>

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
  // `count` operations that failed alike; lost comparisons are conflicts, not errors.
  void Failed(const absl::Status& status, uint64_t count = 1);
  // An operation of an open loop that could not even begin in the window.
  void Unsent() { unsent_.fetch_add(1, std::memory_order_relaxed); }

  [[nodiscard]] int64_t end_ns() const { return window_end_ns_; }
  // Everything but the name of the bench. `now_ns`: when the run ended, if before its time.
  [[nodiscard]] BenchReport Report(int64_t now_ns) const;

 private:
  // What one thread recorded.
  struct Share {
    Histogram histogram;
    uint64_t payload_bytes = 0;
  };

  // The calling thread's; takes the lock only when the thread comes for the first time, or from
  // another recorder.
  Share& MyShare();
  void NoteSuccess(int64_t end_ns);
  void AddGap(BenchReport& report, int64_t end_ns) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const BenchOptions options_;
  const int64_t window_begin_ns_;
  const int64_t window_end_ns_;
  const uint64_t id_;  // Never that of another recorder, unlike the address.

  std::atomic<uint64_t> unsent_{0};
  std::atomic<int64_t> last_done_ns_{0};  // With --gap only; 0: none yet.
  mutable absl::Mutex mutex_;
  std::map<std::thread::id, std::unique_ptr<Share>> shares_ ABSL_GUARDED_BY(mutex_);
  uint64_t errors_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t unknown_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t conflicts_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string first_error_ ABSL_GUARDED_BY(mutex_);
  int64_t gap_ns_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t gap_begin_ns_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace cairn::cli
