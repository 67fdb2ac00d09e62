// ThreadExecutor: the client thread. It runs posted tasks in order and timers when they are due.
//
// Threads: Post and PostAfter from any thread; tasks run on the executor's own one. No lock is
//   held while a task runs. Tasks are taken all at once, so one wake-up serves a whole burst.
// Bounds: none of its own; whoever posts is bounded (requests in flight, one timer per object).
#pragma once

#include <cstdint>
#include <queue>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "client/src/stub.h"

namespace cairn::client {

class ThreadExecutor : public Executor {
 public:
  // `clock` must outlive the executor; it decides when timers are due.
  explicit ThreadExecutor(const Clock& clock);
  ~ThreadExecutor() override;

  void Post(Task task) override;
  void PostAfter(int64_t delay_us, Task task) override;
  void RunAndWait(Task task) override;
  void Shutdown() override;

 private:
  struct Timer {
    MonoMicros due_us;
    uint64_t order;  // Timers of the same moment run in the order of their setting.
    Task task;
  };
  struct Later {
    bool operator()(const Timer& a, const Timer& b) const {
      return a.due_us != b.due_us ? a.due_us > b.due_us : a.order > b.order;
    }
  };

  void Run();
  // Waits for work and moves what is due to `batch`. False once stopped.
  bool TakeDue(std::vector<Task>& batch);
  void Wake() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Clock& clock_;
  absl::Mutex mutex_;
  absl::CondVar wake_;
  std::vector<Task> tasks_ ABSL_GUARDED_BY(mutex_);
  std::priority_queue<Timer, std::vector<Timer>, Later> timers_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_order_ ABSL_GUARDED_BY(mutex_) = 0;
  bool idle_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // Last: it uses all of the above.
};

}  // namespace cairn::client
