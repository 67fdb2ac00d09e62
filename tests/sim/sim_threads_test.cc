// Threads that block, in the time of a simulated world.
#include "tests/sim/sim_threads.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/sim/sim_clock.h"

namespace cairn::sim {
namespace {

class SimThreadsTest : public testing::Test {
 protected:
  // Waits in a thread of the world.
  bool Await(const bool* until, absl::Duration timeout) {
    absl::MutexLock lock(&mutex_);
    return threads_.Await(&mutex_, absl::Condition(until), timeout);
  }

  SimTime now_ = 0;
  const SimClock clock_{&now_};
  SimThreads threads_{&clock_};
  absl::Mutex mutex_;
  std::string told_;
};

TEST_F(SimThreadsTest, AThreadRunsOnlyWhenItIsLet) {
  threads_.Start([this] { told_ += "a"; });
  threads_.Start([this] { told_ += "b"; });
  EXPECT_EQ(told_, "");
  threads_.Run();
  EXPECT_EQ(told_, "ab");
  threads_.Join();
}

TEST_F(SimThreadsTest, AWaitEndsWhenItsConditionIsTrueOrItsTimeIsOver) {
  bool there = false;
  threads_.Start([&] { told_ += Await(&there, absl::Milliseconds(5)) ? "there " : "late "; });
  threads_.Start([&] { told_ += Await(&there, absl::InfiniteDuration()) ? "there " : "late "; });
  now_ = 4'000;
  threads_.Run();
  EXPECT_EQ(told_, "");
  now_ = 10'000;
  threads_.Run();
  EXPECT_EQ(told_, "late ");
  there = true;
  threads_.Run();
  EXPECT_EQ(told_, "late there ");
  threads_.Join();
}

TEST_F(SimThreadsTest, WhatOneDoesEndsTheWaitOfAnother) {
  bool ready = false;
  threads_.Start([&] { told_ += Await(&ready, absl::InfiniteDuration()) ? "second" : "late"; });
  threads_.Start([&] {
    told_ += "first, ";
    ready = true;
  });
  threads_.Run();
  EXPECT_EQ(told_, "first, second");
  threads_.Join();
}

}  // namespace
}  // namespace cairn::sim
