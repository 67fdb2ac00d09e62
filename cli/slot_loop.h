// SlotLoop: keeps asynchronous operations going, as many as there are slots.
//
// Closed loop (rate 0): a slot starts its next operation when the last one is answered.
// Open loop: operation i is due at start + i / rate, whatever the earlier ones do; it
// takes the next free slot, and its latency counts from when it was *due*, so a stall
// shows in every operation it delayed (no coordinated omission).
//
// Threads: Run() on one thread; completions on any. After a failure the slot waits for
// Run()'s thread, so that operations that fail at once cannot recurse.
// Bounds: `slots` operations under way.
#pragma once

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
  using Done = std::function<void(absl::Status)>;
  // Starts one operation in a slot. Must call `done` exactly once, on any thread, even before
  // it returns.
  using Start = std::function<void(size_t slot, Done done)>;

  SlotLoop(const BenchOptions& options, size_t slots, Start start, BenchRecorder& recorder);

  // Until the recorder's window ends or an interrupt comes; returns when nothing is under way.
  void Run(const Interrupt& interrupt);

 private:
  void RunClosed(const Interrupt& interrupt);
  void RunOpen(const Interrupt& interrupt, int64_t start_ns);
  void Begin(size_t slot, int64_t begin_ns);
  void OnDone(size_t slot, int64_t begin_ns, const absl::Status& status);
  // A free slot, waiting for one until `deadline_ns`; false: none.
  bool TakeIdle(int64_t deadline_ns, size_t& slot);
  [[nodiscard]] bool SomeIdle() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !idle_.empty();
  }
  [[nodiscard]] bool AllIdle() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return idle_.size() == slots_;
  }

  const BenchOptions options_;
  const size_t slots_;
  const Start start_;
  BenchRecorder& recorder_;

  mutable absl::Mutex mutex_;
  std::vector<size_t> idle_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool failed_lately_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace cairn::cli
