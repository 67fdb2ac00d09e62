// The judges of a crowd's keys agree with the search that tries orders (register_history.h), and
// are quick where it would never end.
#include "tests/history/busy_key.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/random.h"

namespace cairn::history {
namespace {

using Kind = RegisterCall::Kind;
using Judge = RegisterVerdict (*)(const std::vector<RegisterCall>&);
constexpr int64_t kNever = RegisterCall::kUnanswered;

// `write` is what changes the key.
std::vector<RegisterCall> RandomCalls(Random& random, Kind write) {
  std::vector<RegisterCall> calls(random.Between(1, 7));
  int64_t next = 1;
  for (RegisterCall& call : calls) {
    call.kind = random.Chance(0.5) ? write : Kind::kGet;
    call.value = static_cast<int64_t>(random.Below(4));
    if (call.kind == Kind::kSet) call.value = next++;
    call.begin_us = static_cast<int64_t>(random.Below(16));
    call.end_us =
        random.Chance(0.2) ? kNever : call.begin_us + static_cast<int64_t>(random.Below(10));
  }
  return calls;
}

void ExpectAgreement(Kind write, Judge judge) {
  constexpr int kHistories = 20'000;
  Random random(20261122);
  int good = 0;
  for (int round = 0; round < kHistories; ++round) {
    const std::vector<RegisterCall> calls = RandomCalls(random, write);
    const bool expected = CheckRegister(calls).ok();
    good += expected ? 1 : 0;
    const RegisterVerdict verdict = judge(calls);
    ASSERT_EQ(verdict.ok(), expected) << "round " << round << ": " << verdict.explanation;
    ASSERT_EQ(verdict.explanation.empty(), expected);
  }
  EXPECT_GT(good, kHistories / 20);
  EXPECT_LT(good, kHistories * 19 / 20);
}

TEST(BusyKeyTest, SetsAreJudgedAsByTheSearch) { ExpectAgreement(Kind::kSet, CheckSets); }

TEST(BusyKeyTest, IncrementsAreJudgedAsByTheSearch) {
  ExpectAgreement(Kind::kIncrement, CheckIncrements);
}

// Everybody at once, and then one who looks.
TEST(BusyKeyTest, ThousandsAtOnceAreJudged) {
  constexpr int64_t kCalls = 20'000;
  std::vector<RegisterCall> sets;
  std::vector<RegisterCall> increments;
  for (int64_t i = 1; i <= kCalls; ++i) {
    sets.push_back({Kind::kSet, i, i, kCalls + i});
    increments.push_back({Kind::kIncrement, i, i, i % 10 == 0 ? kNever : kCalls + i});
  }
  EXPECT_TRUE(CheckIncrements(increments).ok());
  // Nine of ten were told; the others may have happened, but no more of them.
  increments.push_back({Kind::kGet, kCalls, 3 * kCalls, 3 * kCalls});
  EXPECT_TRUE(CheckIncrements(increments).ok());
  increments.back().value = kCalls + 1;
  EXPECT_FALSE(CheckIncrements(increments).ok());
  increments.back().value = kCalls - 2;
  EXPECT_FALSE(CheckIncrements(increments).ok());

  sets.push_back({Kind::kGet, 1, 3 * kCalls, 3 * kCalls});
  EXPECT_TRUE(CheckSets(sets).ok());
  // A set that began when the first had ended, and was lost.
  sets.push_back({Kind::kSet, kCalls + 1, 2 * kCalls, 2 * kCalls + 1});
  EXPECT_FALSE(CheckSets(sets).ok());
}

}  // namespace
}  // namespace cairn::history
