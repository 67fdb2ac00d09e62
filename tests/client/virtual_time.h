// VirtualTime: the client's clock and its one thread, decided by the test.
//
// Tasks run on the test's own thread when it says so, and time moves only by Advance, which runs
// every timer at its own moment, in order. So a test of retries over minutes takes microseconds and
// always takes the same course.
//
// Threads: the test's only.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <utility>

#include "base/clock.h"
#include "client/src/stub.h"

namespace cairn::client {

class VirtualTime : public Executor, public Clock {
 public:
  [[nodiscard]] MonoMicros Mono() const override { return now_us_; }
  [[nodiscard]] WallMicros Wall() const override { return now_us_; }

  void Post(Task task) override {
    if (!stopped_) tasks_.push_back(std::move(task));
  }
  void PostAfter(int64_t delay_us, Task task) override {
    if (!stopped_) timers_.emplace(now_us_ + delay_us, std::move(task));
  }
  void RunAndWait(Task task) override {
    Run();
    task();
  }
  void Shutdown() override {
    stopped_ = true;
    // Moved out first: the end of a task may post another one.
    const auto tasks = std::exchange(tasks_, {});
    const auto timers = std::exchange(timers_, {});
  }

  // Runs what is posted or due, and what that posts, until nothing is left at this moment.
  void Run() {
    for (;;) {
      while (!timers_.empty() && timers_.begin()->first <= now_us_) {
        tasks_.push_back(std::move(timers_.begin()->second));
        timers_.erase(timers_.begin());
      }
      if (tasks_.empty()) return;
      const Task task = std::move(tasks_.front());
      tasks_.pop_front();
      task();
    }
  }

  // Lets `us` pass, stopping at each timer on the way.
  void Advance(int64_t us) {
    const MonoMicros until_us = now_us_ + us;
    Run();
    while (!timers_.empty() && timers_.begin()->first <= until_us) {
      now_us_ = timers_.begin()->first;
      Run();
    }
    now_us_ = until_us;
    Run();
  }

  // Lets `us` pass without running anything: what a stopped process (SIGSTOP) lives through.
  void Freeze(int64_t us) { now_us_ += us; }

 private:
  MonoMicros now_us_ = 1000 * kMicrosPerSecond;
  std::deque<Task> tasks_;
  std::multimap<MonoMicros, Task> timers_;
  bool stopped_ = false;
};

}  // namespace cairn::client
