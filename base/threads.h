// Threads: the threads of a component that blocks, and its waits, so that who owns the component
// decides what a thread is: one of the operating system's, or one that a simulated world lets run
// and whose time is the world's (tests/sim/sim_threads.h).
//
// Code that waits by this alone, and takes the time from a Clock, runs the same in both.
//
// Threads: Start and Join from the owner's, Await from those that were started.
#pragma once

#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace cairn {

class Threads {
 public:
  virtual ~Threads() = default;
  virtual void Start(std::function<void()> body) = 0;
  // As absl::Mutex::AwaitWithTimeout: waits until `until` is true, and returns whether it is.
  virtual bool Await(absl::Mutex* mutex, const absl::Condition& until, absl::Duration timeout)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) = 0;
  // Waits until all that were started have ended. Again: does nothing.
  virtual void Join() = 0;
};

// The operating system's. Requires: Join before it goes.
class SystemThreads final : public Threads {
 public:
  void Start(std::function<void()> body) override { threads_.emplace_back(std::move(body)); }
  bool Await(absl::Mutex* mutex, const absl::Condition& until, absl::Duration timeout) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return mutex->AwaitWithTimeout(until, timeout);
  }
  void Join() override {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  std::vector<std::thread> threads_;
};

}  // namespace cairn
