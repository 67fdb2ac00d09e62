#include "client/src/thread_executor.h"

#include <algorithm>
#include <utility>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "base/check.h"

namespace cairn::client {

ThreadExecutor::ThreadExecutor(const Clock& clock) : clock_(clock), thread_([this] { Run(); }) {}

ThreadExecutor::~ThreadExecutor() { Shutdown(); }

void ThreadExecutor::Post(Task task) {
  absl::MutexLock lock(&mutex_);
  if (stopped_) return;
  tasks_.push_back(std::move(task));
  Wake();
}

void ThreadExecutor::PostAfter(int64_t delay_us, Task task) {
  const MonoMicros due_us = clock_.Mono() + std::max<int64_t>(delay_us, 0);
  absl::MutexLock lock(&mutex_);
  if (stopped_) return;
  timers_.push({due_us, next_order_++, std::move(task)});
  Wake();
}

void ThreadExecutor::RunAndWait(Task task) {
  CHECK(std::this_thread::get_id() != thread_.get_id());
  absl::Notification ran;
  Post([&] {
    task();
    ran.Notify();
  });
  ran.WaitForNotification();
}

void ThreadExecutor::Wake() {
  if (!idle_) return;  // The thread looks again before it sleeps.
  idle_ = false;
  wake_.Signal();
}

void ThreadExecutor::Shutdown() {
  std::vector<Task> dropped;
  std::priority_queue<Timer, std::vector<Timer>, Later> dropped_timers;
  {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
    tasks_.swap(dropped);
    std::swap(timers_, dropped_timers);
    Wake();
  }
  CHECK(std::this_thread::get_id() != thread_.get_id());
  if (thread_.joinable()) thread_.join();
}

void ThreadExecutor::Run() {
  std::vector<Task> batch;
  while (TakeDue(batch)) {
    for (Task& task : batch) task();
    batch.clear();
  }
}

bool ThreadExecutor::TakeDue(std::vector<Task>& batch) {
  absl::MutexLock lock(&mutex_);
  while (!stopped_) {
    const MonoMicros now_us = clock_.Mono();
    batch.swap(tasks_);
    while (!timers_.empty() && timers_.top().due_us <= now_us) {
      // The queue gives out const references only; the element is popped right after.
      batch.push_back(std::move(const_cast<Timer&>(timers_.top()).task));
      timers_.pop();
    }
    if (!batch.empty()) return true;
    idle_ = true;
    if (timers_.empty()) {
      wake_.Wait(&mutex_);
    } else {
      wake_.WaitWithTimeout(&mutex_, absl::Microseconds(timers_.top().due_us - now_us));
    }
    idle_ = false;
  }
  return false;
}

}  // namespace cairn::client
