// Good and bad stories of one key, and a comparison with all orders of short random ones.
#include "tests/history/register_history.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "base/random.h"

namespace cairn::history {
namespace {

using Kind = RegisterCall::Kind;
constexpr int64_t kNever = RegisterCall::kUnanswered;

RegisterCall Set(int64_t value, int64_t begin, int64_t end) {
  return {Kind::kSet, value, begin, end};
}
RegisterCall Increment(int64_t value, int64_t begin, int64_t end) {
  return {Kind::kIncrement, value, begin, end};
}
RegisterCall Get(int64_t value, int64_t begin, int64_t end) {
  return {Kind::kGet, value, begin, end};
}

struct Story {
  std::string name;
  bool linearizable;
  std::vector<RegisterCall> calls;
};

class RegisterStoryTest : public ::testing::TestWithParam<Story> {};

TEST_P(RegisterStoryTest, IsJudged) {
  const RegisterVerdict verdict = CheckRegister(GetParam().calls);
  EXPECT_EQ(verdict.ok(), GetParam().linearizable) << verdict.explanation;
  EXPECT_EQ(verdict.explanation.empty(), verdict.ok());
}

INSTANTIATE_TEST_SUITE_P(
    Stories, RegisterStoryTest,
    ::testing::Values(
        Story{"Nothing", true, {}},
        Story{"OneAfterTheOther", true, {Set(5, 0, 1), Get(5, 2, 3), Set(6, 4, 5), Get(6, 6, 7)}},
        Story{"AbsentIsZero", true, {Get(0, 0, 1), Increment(1, 2, 3)}},
        Story{"StaleRead", false, {Set(5, 0, 1), Set(6, 2, 3), Get(5, 4, 5)}},
        Story{"LostWrite", false, {Set(5, 0, 1), Get(0, 2, 3)}},
        Story{"ConcurrentReadsMaySeeEither", true, {Set(5, 0, 10), Get(0, 1, 2), Get(5, 3, 4)}},
        Story{"ButNotBackwards", false, {Set(5, 0, 10), Get(5, 1, 2), Get(0, 3, 4)}},
        Story{"UnansweredMayHaveHappened", true, {Set(5, 0, kNever), Get(0, 1, 2), Get(5, 9, 10)}},
        Story{"AndMayNot", true, {Set(5, 0, kNever), Get(0, 1, 2), Get(0, 9, 10)}},
        Story{"ButNotBeforeItBegan", false, {Get(5, 0, 1), Set(5, 2, kNever)}},
        Story{"ValueOutOfNowhere", false, {Set(5, 0, 1), Get(7, 2, 3)}},
        Story{"TwoIncrementsToOne", false, {Increment(1, 0, 5), Increment(1, 1, 6)}},
        Story{"IncrementsInAnyOrder", true, {Increment(2, 0, 5), Increment(1, 1, 6)}},
        Story{"AnIncrementIsMissing", false, {Increment(1, 0, 1), Increment(3, 2, 3)}},
        Story{"AnUnansweredOneExplainsIt",
              true,
              {Increment(1, 0, 1), Increment(0, 1, kNever), Increment(3, 2, 3)}},
        Story{"ButOnlyOnce",
              false,
              {Increment(1, 0, 1), Increment(0, 1, kNever), Increment(4, 2, 3)}},
        Story{"UnansweredSetUnderAnIncrement",
              true,
              {Set(10, 0, kNever), Increment(11, 1, 2), Get(11, 3, 4)}}),
    [](const auto& instance) { return instance.param.name; });

// All orders of the answered calls with every subset of the unanswered ones.
bool AnyOrderFits(const std::vector<RegisterCall>& calls) {
  std::vector<size_t> order(calls.size());
  for (size_t subset = 0; subset < (size_t{1} << calls.size()); ++subset) {
    order.clear();
    bool all_answered = true;
    for (size_t i = 0; i < calls.size(); ++i) {
      const bool in = (subset >> i & 1) != 0;
      if (in) order.push_back(i);
      all_answered = all_answered && (in || !calls[i].answered());
    }
    if (!all_answered) continue;
    do {
      int64_t value = 0;
      int64_t latest_begin = 0;
      bool fits = true;
      for (const size_t i : order) {
        const RegisterCall& call = calls[i];
        latest_begin = std::max(latest_begin, call.begin_us);
        fits = fits && call.end_us >= latest_begin;
        if (call.kind == Kind::kSet) value = call.value;
        if (call.kind == Kind::kIncrement) ++value;
        if (call.kind != Kind::kSet && call.answered()) fits = fits && call.value == value;
      }
      if (fits) return true;
    } while (std::next_permutation(order.begin(), order.end()));
  }
  return false;
}

TEST(RegisterHistoryTest, AgreesWithTryingAllOrders) {
  Random random(20261122);
  int good = 0;
  constexpr int kHistories = 3000;
  for (int round = 0; round < kHistories; ++round) {
    std::vector<RegisterCall> calls(random.Between(1, 6));
    for (RegisterCall& call : calls) {
      call.kind = static_cast<Kind>(random.Below(3));
      call.value = static_cast<int64_t>(random.Below(4));
      call.begin_us = static_cast<int64_t>(random.Below(12));
      call.end_us =
          random.Chance(0.2) ? kNever : call.begin_us + static_cast<int64_t>(random.Below(8));
    }
    const bool expected = AnyOrderFits(calls);
    good += expected ? 1 : 0;
    ASSERT_EQ(CheckRegister(calls).ok(), expected) << "round " << round;
  }
  EXPECT_GT(good, kHistories / 10);
  EXPECT_LT(good, kHistories * 9 / 10);
}

TEST(RegisterHistoryTest, ABoundIsNoPass) {
  std::vector<RegisterCall> calls;
  for (int i = 1; i <= 20; ++i) calls.push_back(Set(i, 0, 100));
  calls.push_back(Get(99, 50, 60));
  EXPECT_EQ(CheckRegister(calls, 100).kind, RegisterVerdict::Kind::kUndecided);
}

}  // namespace
}  // namespace cairn::history
