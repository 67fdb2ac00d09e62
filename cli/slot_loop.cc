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

SlotLoop::SlotLoop(const BenchOptions& options, size_t slots, Start start, BenchRecorder& recorder)
    : options_(options), slots_(slots), start_(std::move(start)), recorder_(recorder) {
  for (size_t slot = slots; slot-- > 0;) idle_.push_back(slot);
}

void SlotLoop::Run(const Interrupt& interrupt) {
  if (options_.rate > 0) {
    RunOpen(interrupt, NowNanos());
  } else {
    RunClosed(interrupt);
  }
  absl::MutexLock lock(&mutex_);
  stopping_ = true;
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
    while (NowNanos() < due_ns) {
      if (interrupt.Requested()) return;
      absl::SleepFor(absl::Nanoseconds(std::min(due_ns - NowNanos(), kPollNanos)));
    }
    size_t slot = 0;
    while (!TakeIdle(NowNanos() + kPollNanos, slot)) {
      if (interrupt.Requested() || NowNanos() >= recorder_.end_ns()) return;
    }
    Begin(slot, due_ns);
  }
}

bool SlotLoop::TakeIdle(int64_t deadline_ns, size_t& slot) {
  absl::MutexLock lock(&mutex_);
  const auto timeout = absl::Nanoseconds(std::max<int64_t>(0, deadline_ns - NowNanos()));
  if (!mutex_.AwaitWithTimeout(absl::Condition(this, &SlotLoop::SomeIdle), timeout)) return false;
  slot = idle_.back();
  idle_.pop_back();
  return true;
}

void SlotLoop::Begin(size_t slot, int64_t begin_ns) {
  start_(slot,
         [this, slot, begin_ns](const absl::Status& status) { OnDone(slot, begin_ns, status); });
}

void SlotLoop::OnDone(size_t slot, int64_t begin_ns, const absl::Status& status) {
  const int64_t now_ns = NowNanos();
  if (status.ok()) {
    recorder_.Done(begin_ns, now_ns, options_.size_bytes);
  } else {
    recorder_.Failed(status);
  }
  const bool lost_comparison = GetReason(status) == Reason::kConditionFailed;
  {
    absl::MutexLock lock(&mutex_);
    const bool go_on =
        status.ok() && options_.rate == 0 && !stopping_ && now_ns < recorder_.end_ns();
    if (!go_on) {
      failed_lately_ = failed_lately_ || (!status.ok() && !lost_comparison);
      idle_.push_back(slot);
      return;
    }
  }
  Begin(slot, now_ns);
}

}  // namespace cairn::cli
