// The small headers that everything stands on.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/mailbox.h"
#include "base/random.h"
#include "base/status_macros.h"

namespace cairn {
namespace {

using testing::ElementsAre;

TEST(IdsTest, CountsAndCompares) {
  Seq seq(7);
  EXPECT_EQ(seq + 2, Seq(9));
  EXPECT_EQ(Seq(9) - seq, 2u);
  EXPECT_LT(seq, Seq(8));
  EXPECT_EQ(++seq, Seq(8));
  EXPECT_EQ(Seq().Previous(), Seq());
  EXPECT_EQ(Seq(1).Previous(), Seq(0));
  EXPECT_FALSE(static_cast<bool>(Seq()));
  EXPECT_EQ(fmt::format("{} {}", Seq(3), Term(4)), "3 4");
  static_assert(!std::is_convertible_v<Seq, Index>);
  static_assert(!std::is_convertible_v<uint64_t, Seq>);
}

TEST(BytesTest, SharesWithoutACopy) {
  const Bytes a(std::string("payload"));
  const Bytes b = a;
  EXPECT_EQ(a.view().data(), b.view().data());
  EXPECT_EQ(b.view(), "payload");
  EXPECT_TRUE(Bytes().empty());
  EXPECT_EQ(Bytes(), Bytes(std::string()));
}

TEST(CheckDeathTest, SaysWhereAndWhat) {
  EXPECT_DEATH(CHECK_EQ(1 + 1, 3), "base_test.cc:[0-9]+: CHECK failed: 1 \\+ 1 == 3 \\(2 vs. 3\\)");
  EXPECT_DEATH(CHECK(false), "CHECK failed: false");
}

TEST(RandomTest, IsDecidedByItsSeed) {
  Random a(5);
  Random b(5);
  Random c(6);
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const uint64_t value = a.Next();
    EXPECT_EQ(value, b.Next());
    differs = differs || value != c.Next();
  }
  EXPECT_TRUE(differs);
}

TEST(RandomTest, StaysWithinItsBounds) {
  Random random(1);
  bool low = false;
  bool high = false;
  for (int i = 0; i < 10'000; ++i) {
    const int64_t value = random.Between(-2, 2);
    ASSERT_GE(value, -2);
    ASSERT_LE(value, 2);
    low = low || value == -2;
    high = high || value == 2;
    const double fraction = random.Fraction();
    ASSERT_GE(fraction, 0.0);
    ASSERT_LT(fraction, 1.0);
  }
  EXPECT_TRUE(low);
  EXPECT_TRUE(high);
}

TEST(MailboxTest, RefusesWhenFullAndLeavesTheItem) {
  Mailbox<std::unique_ptr<int>> mailbox(1);
  auto first = std::make_unique<int>(1);
  auto second = std::make_unique<int>(2);
  EXPECT_TRUE(mailbox.TryPush(first));
  EXPECT_FALSE(mailbox.TryPush(second));
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(*second, 2);
  EXPECT_TRUE(mailbox.PushUrgent(std::move(second)));  // What must not be lost passes.
  std::vector<std::unique_ptr<int>> out;
  EXPECT_TRUE(mailbox.AcquireInto(out, absl::ZeroDuration()));
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(*out[0], 1);
}

TEST(MailboxTest, OneHoldsTheTurnAndTakesWhatComesMeanwhile) {
  Mailbox<int> mailbox(8);
  std::vector<int> out;
  EXPECT_FALSE(mailbox.TryAcquireInto(out)) << "nothing to do";
  int item = 1;
  EXPECT_TRUE(mailbox.TryPush(item, Wake::kNo));
  EXPECT_TRUE(mailbox.TryAcquireInto(out));
  EXPECT_THAT(out, ElementsAre(1));
  EXPECT_TRUE(mailbox.PushUrgent(2, Wake::kNo));
  std::vector<int> other;
  EXPECT_FALSE(mailbox.TryAcquireInto(other)) << "held";
  out.clear();
  EXPECT_TRUE(mailbox.ReleaseOrMore(out, /*may_go_on=*/true));
  EXPECT_THAT(out, ElementsAre(2));
  EXPECT_TRUE(mailbox.PushUrgent(3, Wake::kNo));
  out.clear();
  EXPECT_FALSE(mailbox.ReleaseOrMore(out, /*may_go_on=*/false));
  EXPECT_TRUE(out.empty());
  // Given back with work left: the owner is woken, though all pushes were quiet.
  EXPECT_TRUE(mailbox.AcquireInto(out, absl::InfiniteDuration()));
  EXPECT_THAT(out, ElementsAre(3));
}

TEST(MailboxTest, LentTurnsNeverOverlapAndLoseNothing) {
  constexpr int kThreads = 4;
  constexpr int kItems = 20000;
  constexpr int64_t kSum = int64_t{kThreads} * kItems * (kItems + 1) / 2;
  Mailbox<int> mailbox(kThreads * kItems);
  std::vector<int> items;
  int64_t sum = 0;  // Not atomic: guarded by the turn, which the thread sanitizer checks.
  const auto add = [&] {
    for (const int item : items) sum += item;
    std::this_thread::yield();  // Somebody else comes while the turn is held, with items in it.
    items.clear();
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 1; i <= kItems; ++i) {
        int item = i;
        ASSERT_TRUE(mailbox.TryPush(item, Wake::kNo));
        if (!mailbox.TryAcquireInto(items)) continue;
        do add();
        while (mailbox.ReleaseOrMore(items, /*may_go_on=*/true));
      }
    });
  }
  // The owner asks again and again for a turn that mostly others hold.
  while (mailbox.AcquireInto(items, absl::ZeroDuration())) {
    do {
      add();
      if (sum == kSum) mailbox.Close();
    } while (mailbox.ReleaseOrMore(items, /*may_go_on=*/true));
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(mailbox.size(), 0u);
  EXPECT_EQ(sum, kSum);
}

TEST(MailboxTest, ClosedMeansDrainedThenOver) {
  Mailbox<int> mailbox(8);
  int item = 1;
  EXPECT_TRUE(mailbox.TryPush(item));
  mailbox.Close();
  EXPECT_FALSE(mailbox.TryPush(item));
  EXPECT_FALSE(mailbox.PushUrgent(2));
  std::vector<int> out;
  EXPECT_TRUE(mailbox.AcquireInto(out, absl::InfiniteDuration()));
  EXPECT_THAT(out, ElementsAre(1));
  out.clear();
  EXPECT_FALSE(mailbox.ReleaseOrMore(out, /*may_go_on=*/true));
  EXPECT_FALSE(mailbox.AcquireInto(out, absl::InfiniteDuration()));
}

TEST(MailboxTest, KeepsEachProducersOrder) {
  constexpr int kProducers = 4;
  constexpr int kItems = 1000;
  Mailbox<std::pair<int, int>> mailbox(kProducers * kItems);
  std::vector<std::thread> producers;
  for (int p = 0; p < kProducers; ++p) {
    producers.emplace_back([&mailbox, p] {
      for (int i = 0; i < kItems; ++i) {
        std::pair<int, int> item(p, i);
        ASSERT_TRUE(mailbox.TryPush(item));
      }
    });
  }
  std::vector<int> next(kProducers, 0);
  int total = 0;
  std::vector<std::pair<int, int>> out;
  while (total < kProducers * kItems) {
    ASSERT_TRUE(mailbox.AcquireInto(out, absl::Seconds(10)));
    do {
      for (const auto& [p, i] : out) EXPECT_EQ(i, next[p]++);
      total += static_cast<int>(out.size());
      out.clear();
    } while (mailbox.ReleaseOrMore(out, /*may_go_on=*/true));
  }
  for (std::thread& producer : producers) producer.join();
}

absl::Status Fails() { return absl::NotFoundError("no such thing"); }
absl::StatusOr<int> Seven() { return 7; }

absl::StatusOr<int> UsesMacros(bool fail) {
  ASSIGN_OR_RETURN(const int seven, Seven());
  if (fail) RETURN_IF_ERROR(Annotate(Fails(), "while trying"));
  return seven;
}

TEST(StatusMacrosTest, PassErrorsOnAndValuesThrough) {
  EXPECT_EQ(*UsesMacros(false), 7);
  const auto failed = UsesMacros(true);
  EXPECT_EQ(failed.status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(std::string(failed.status().message()), "while trying: no such thing");
}

TEST(ClockTest, MonotonicTimeNeverGoesBack) {
  MonoMicros last = SystemClock().Mono();
  for (int i = 0; i < 1000; ++i) {
    const MonoMicros now = SystemClock().Mono();
    ASSERT_GE(now, last);
    last = now;
  }
  EXPECT_GT(SystemClock().Wall(), 1'600'000'000LL * kMicrosPerSecond);
}

}  // namespace
}  // namespace cairn
