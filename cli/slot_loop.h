// SlotLoop: keeps asynchronous operations going, as many as there are slots.
//
// Closed loop (rate 0): a slot starts its next operation when the last one is answered, on the
// thread that brought the answer; nothing is locked, allocated or woken in between.
// Open loop: operation i is due at start + i / rate, whatever the earlier ones do; it
// takes the next free slot, and its latency counts from when it was *due*, so a stall
// shows in every operation it delayed (no coordinated omission). Operations that were due in the
// window and found no free slot are counted as unsent.
//
// Threads: Run() on one thread; Finish() on any. After a failure the slot waits for
// Run()'s thread, so that operations that fail at once cannot recurse.
// Bounds: `slots` operations under way.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "cli/bench_recorder.h"
#include "cli/interrupt.h"

namespace cairn::cli {

class SlotLoop {
 public:
  // Starts one operation in a slot; `begin_ns` is when it began or was due. Finish(slot) must
  // follow exactly once, on any thread, even before this returns.
  using Start = std::function<void(size_t slot, int64_t begin_ns)>;

  SlotLoop(const BenchOptions& options, size_t slots, BenchRecorder& recorder);

  // Until the recorder's window ends or an interrupt comes; returns when nothing is under way.
  void Run(const Interrupt& interrupt, Start start);

  // The operation in `slot` has ended.
  void Finish(size_t slot, const absl::Status& status);

 private:
  void RunClosed(const Interrupt& interrupt);
  void RunOpen(const Interrupt& interrupt, int64_t start_ns);
  void Begin(size_t slot, int64_t begin_ns);
  // A free slot, waiting for one until `deadline_ns`; false: none.
  bool TakeIdle(int64_t deadline_ns, size_t& slot);
  [[nodiscard]] bool SomeIdle() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !idle_.empty();
  }
  [[nodiscard]] bool AllIdle() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return idle_.size() == begin_ns_.size();
  }

  const BenchOptions options_;
  BenchRecorder& recorder_;
  Start start_;
  std::vector<int64_t> begin_ns_;  // By slot; belongs to the operation in it.
  std::atomic<bool> stopping_{false};

  mutable absl::Mutex mutex_;
  std::vector<size_t> idle_ ABSL_GUARDED_BY(mutex_);
  bool failed_lately_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace cairn::cli
