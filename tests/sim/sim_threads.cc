#include "tests/sim/sim_threads.h"

#include <limits>
#include <semaphore>
#include <thread>
#include <utility>

#include "base/check.h"

namespace cairn::sim {

struct SimThreads::Thread {
  std::binary_semaphore go{0};      // It may run,
  std::binary_semaphore stands{0};  // and stands again.
  bool ended = false;
  // What it waits for; null: for nothing.
  absl::Mutex* mutex = nullptr;
  const absl::Condition* until = nullptr;
  MonoMicros deadline = 0;
  std::thread thread;

  void Stand() {
    stands.release();
    go.acquire();
  }
};

namespace {

// The one that runs here; null in the world's.
thread_local void* running = nullptr;

MonoMicros After(MonoMicros now, absl::Duration timeout) {
  if (timeout == absl::InfiniteDuration()) return std::numeric_limits<MonoMicros>::max();
  return now + absl::ToInt64Microseconds(timeout);
}

}  // namespace

SimThreads::SimThreads(const Clock* clock) : clock_(clock) {}

SimThreads::~SimThreads() { CHECK(threads_.empty()); }

void SimThreads::Start(std::function<void()> body) {
  threads_.push_back(std::make_unique<Thread>());
  Thread* const self = threads_.back().get();
  self->thread = std::thread([self, body = std::move(body)] {
    self->go.acquire();
    running = self;
    body();
    self->ended = true;
    self->stands.release();
  });
}

bool SimThreads::Await(absl::Mutex* mutex, const absl::Condition& until, absl::Duration timeout) {
  if (until.Eval() || timeout <= absl::ZeroDuration()) return until.Eval();
  CHECK(running != nullptr);
  Thread& self = *static_cast<Thread*>(running);
  self.until = &until;
  self.deadline = After(clock_->Mono(), timeout);
  self.mutex = mutex;
  mutex->Unlock();
  self.Stand();
  mutex->Lock();
  self.mutex = nullptr;
  return until.Eval();
}

bool SimThreads::IsReady(Thread& thread) const {
  if (thread.ended) return false;
  if (thread.mutex == nullptr || clock_->Mono() >= thread.deadline) return true;
  absl::MutexLock lock(thread.mutex);
  return thread.until->Eval();
}

bool SimThreads::RunOnce() {
  bool ran = false;
  for (size_t i = 0; i < threads_.size(); ++i) {  // One that runs may start another.
    Thread& thread = *threads_[i];
    if (!IsReady(thread)) continue;
    thread.go.release();
    thread.stands.acquire();
    ran = true;
  }
  return ran;
}

void SimThreads::Run() {
  while (RunOnce()) {
  }
}

void SimThreads::Join() {
  Run();
  for (const auto& thread : threads_) {
    CHECK(thread->ended);
    thread->thread.join();
  }
  threads_.clear();
}

}  // namespace cairn::sim
