// The loops over operations that a thread of the test answers.
#include "cli/slot_loop.h"

#include <gtest/gtest.h>

#include <deque>
#include <thread>

namespace cairn::cli {
namespace {

// Answers what it is handed, in order, on a thread of its own; `hold` delays the first answer.
class Answerer {
 public:
  explicit Answerer(SlotLoop& loop, absl::Duration hold = absl::ZeroDuration())
      : loop_(loop), hold_(hold), thread_([this] { Run(); }) {}
  ~Answerer() {
    {
      absl::MutexLock lock(&mutex_);
      ending_ = true;
    }
    thread_.join();
  }

  void Take(size_t slot) {
    absl::MutexLock lock(&mutex_);
    slots_.push_back(slot);
    most_ = std::max(most_, ++under_way_);
  }
  size_t most_under_way() const {
    absl::MutexLock lock(&mutex_);
    return most_;
  }

 private:
  bool Busy() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return ending_ || !slots_.empty(); }

  void Run() {
    const absl::Time first_answer_at = absl::Now() + hold_;
    while (true) {
      size_t slot = 0;
      {
        absl::MutexLock lock(&mutex_);
        mutex_.Await(absl::Condition(this, &Answerer::Busy));
        if (slots_.empty()) return;
        mutex_.AwaitWithDeadline(absl::Condition(&never_), first_answer_at);
        slot = slots_.front();
        slots_.pop_front();
        --under_way_;
      }
      loop_.Finish(slot, absl::OkStatus());
    }
  }

  SlotLoop& loop_;
  const absl::Duration hold_;
  bool never_ = false;
  mutable absl::Mutex mutex_;
  std::deque<size_t> slots_ ABSL_GUARDED_BY(mutex_);
  size_t under_way_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t most_ ABSL_GUARDED_BY(mutex_) = 0;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // Last: it runs as soon as it is made.
};

BenchOptions Options(double rate) {
  BenchOptions options;
  options.warmup_ms = 0;
  options.duration_ms = 200;
  options.rate = rate;
  return options;
}

TEST(SlotLoopTest, AClosedLoopKeepsEverySlotBusy) {
  const Interrupt interrupt;
  BenchRecorder recorder(Options(0), NowNanos());
  SlotLoop loop(Options(0), 8, recorder);
  Answerer answerer(loop);
  loop.Run(interrupt, [&answerer](size_t slot, int64_t) { answerer.Take(slot); });
  EXPECT_EQ(answerer.most_under_way(), 8u);
  EXPECT_GT(recorder.Report(NowNanos()).ops, 100u);
}

TEST(SlotLoopTest, AnOpenLoopCountsAStallInAllThatItDelayed) {
  const Interrupt interrupt;
  const BenchOptions options = Options(1000);
  BenchRecorder recorder(options, NowNanos());
  SlotLoop loop(options, 4, recorder);
  Answerer answerer(loop, absl::Milliseconds(100));
  loop.Run(interrupt, [&answerer](size_t slot, int64_t) { answerer.Take(slot); });
  const BenchReport report = recorder.Report(NowNanos());
  // Due every millisecond, but answered only from 100 ms on: about the first hundred waited, on
  // the average for half of the stall. A loop that counted from the sending would show four.
  EXPECT_GT(report.p90_us, 40'000);
  EXPECT_LE(answerer.most_under_way(), 4u);
}

TEST(SlotLoopTest, WhatNeverGotASlotIsUnsent) {
  const Interrupt interrupt;
  const BenchOptions options = Options(1000);
  BenchRecorder recorder(options, NowNanos());
  SlotLoop loop(options, 4, recorder);
  Answerer answerer(loop, absl::Milliseconds(400));  // Past the end of the window.
  loop.Run(interrupt, [&answerer](size_t slot, int64_t) { answerer.Take(slot); });
  const BenchReport report = recorder.Report(NowNanos());
  EXPECT_EQ(report.ops, 4u);
  EXPECT_EQ(report.unsent, 196u);
}

TEST(SlotLoopTest, OperationsThatFailAtOnceDoNotRecurse) {
  const Interrupt interrupt;
  BenchRecorder recorder(Options(0), NowNanos());
  SlotLoop loop(Options(0), 2, recorder);
  loop.Run(interrupt,
           [&loop](size_t slot, int64_t) { loop.Finish(slot, absl::UnavailableError("down")); });
  const BenchReport report = recorder.Report(NowNanos());
  EXPECT_GT(report.errors, 0u);
  EXPECT_LT(report.errors, 1000u);  // A pause stands between them.
  EXPECT_EQ(report.ops, 0u);
}

}  // namespace
}  // namespace cairn::cli
