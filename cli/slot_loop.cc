#include "cli/slot_loop.h"

#include <algorithm>
#include <utility>

#include "cairn/error.h"

namespace cairn::cli {
namespace {

// How often Ctrl-C is looked for, and the pause after a failure.
constexpr int64_t kPollNanos = 50'000'000;
constexpr absl::Duration kFailurePause = absl::Milliseconds(1);

}  // namespace

SlotLoop::SlotLoop(const BenchOptions& options, size_t slots, BenchRecorder& recorder)
    : options_(options), recorder_(recorder), begin_ns_(slots) {
  for (size_t slot = slots; slot-- > 0;) idle_.push_back(slot);
}

void SlotLoop::Run(const Interrupt& interrupt, Start start) {
  start_ = std::move(start);
  if (options_.rate > 0) {
    RunOpen(interrupt, NowNanos());
  } else {
    RunClosed(interrupt);
  }
  stopping_.store(true, std::memory_order_relaxed);
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(this, &SlotLoop::AllIdle));
}

void SlotLoop::RunClosed(const Interrupt& interrupt) {
  for (int64_t now_ns = NowNanos(); now_ns < recorder_.end_ns() && !interrupt.Requested();
       now_ns = NowNanos()) {
    size_t slot = 0;
    if (!TakeIdle(std::min(now_ns + kPollNanos, recorder_.end_ns()), slot)) continue;
    bool pause = false;
    {
      absl::MutexLock lock(&mutex_);
      pause = std::exchange(failed_lately_, false);
    }
    if (pause) interrupt.Wait(kFailurePause);
    Begin(slot, NowNanos());
  }
}

void SlotLoop::RunOpen(const Interrupt& interrupt, int64_t start_ns) {
  const double interval_ns = 1e9 / options_.rate;
  for (uint64_t i = 0; !interrupt.Requested(); ++i) {
    const int64_t due_ns = start_ns + static_cast<int64_t>(static_cast<double>(i) * interval_ns);
    if (due_ns >= recorder_.end_ns()) return;
    for (int64_t now_ns = NowNanos(); now_ns < due_ns; now_ns = NowNanos()) {
      if (interrupt.Requested()) return;
      absl::SleepFor(absl::Nanoseconds(std::min(due_ns - now_ns, kPollNanos)));
    }
    size_t slot = 0;
    bool taken = false;
    while (!taken && NowNanos() < recorder_.end_ns() && !interrupt.Requested()) {
      taken = TakeIdle(std::min(NowNanos() + kPollNanos, recorder_.end_ns()), slot);
    }
    taken ? Begin(slot, due_ns) : recorder_.Unsent();
  }
}

bool SlotLoop::TakeIdle(int64_t deadline_ns, size_t& slot) {
  absl::MutexLock lock(&mutex_);
  if (idle_.empty()) {
    const auto timeout = absl::Nanoseconds(std::max<int64_t>(0, deadline_ns - NowNanos()));
    if (!mutex_.AwaitWithTimeout(absl::Condition(this, &SlotLoop::SomeIdle), timeout)) return false;
  }
  slot = idle_.back();
  idle_.pop_back();
  return true;
}

void SlotLoop::Begin(size_t slot, int64_t begin_ns) {
  begin_ns_[slot] = begin_ns;
  start_(slot, begin_ns);
}

void SlotLoop::Finish(size_t slot, const absl::Status& status) {
  const int64_t now_ns = NowNanos();
  if (status.ok()) {
    recorder_.Done(begin_ns_[slot], now_ns, options_.size_bytes);
    if (options_.rate == 0 && !stopping_.load(std::memory_order_relaxed) &&
        now_ns < recorder_.end_ns()) {
      Begin(slot, now_ns);
      return;
    }
  } else {
    recorder_.Failed(status);
  }
  const bool must_pause = !status.ok() && GetReason(status) != Reason::kConditionFailed;
  absl::MutexLock lock(&mutex_);
  failed_lately_ = failed_lately_ || must_pause;
  idle_.push_back(slot);
}

}  // namespace cairn::cli
