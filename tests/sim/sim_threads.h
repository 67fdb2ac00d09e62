// SimThreads: the threads of a simulated process, for those parts of it that block. Each has a
// thread of the operating system, which stands still until the world lets it run; the world stands
// still meanwhile. So one thread runs at a time, in an order that the seed alone decides, and time
// passes only while all of them wait.
//
// Threads: everything from the world's, but Await. Lifetime: the clock outlives it; Join before it
// goes.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/threads.h"

namespace cairn::sim {

class SimThreads final : public Threads {
 public:
  // `clock`: the process's.
  explicit SimThreads(const Clock* clock);
  ~SimThreads() override;
  SimThreads(const SimThreads&) = delete;
  SimThreads& operator=(const SimThreads&) = delete;

  void Start(std::function<void()> body) override;
  bool Await(absl::Mutex* mutex, const absl::Condition& until,
             absl::Duration timeout) override ABSL_NO_THREAD_SAFETY_ANALYSIS;
  // Requires: all end without any time going by, and without the world's doing.
  void Join() override;

  // Lets each thread run whose wait is over, until all wait again.
  void Run();

 private:
  struct Thread;

  [[nodiscard]] bool IsReady(Thread& thread) const;
  bool RunOnce();

  const Clock* const clock_;
  std::vector<std::unique_ptr<Thread>> threads_;
};

}  // namespace cairn::sim
