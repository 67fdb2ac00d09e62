// Which appends get a line, what it says, and how many there are.
#include "server/rpc/slow_append_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace cairn::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr MonoMicros kMs = kMicrosPerMilli;

// Everything took 1 ms but the commit, which is `commit_ms` long.
AnsweredAppend Append(int64_t commit_ms) {
  AnsweredAppend append{.log = "orders", .request_id = "r1", .outcome = kDone, .began = 10 * kMs};
  append.times = {.arrived = 10 * kMs, .taken = 11 * kMs, .judged = 12 * kMs, .handed = 13 * kMs};
  append.times.committed = (13 + commit_ms) * kMs;
  append.times.answered = (14 + commit_ms) * kMs;
  append.ended = append.times.answered;
  return append;
}

TEST(WhereItWaitedTest, TheLongestStage) {
  AnsweredAppend append = Append(50);
  append.times.durable = 14 * kMs;
  append.times.replicated = 62 * kMs;
  EXPECT_EQ(WhereItWaited(append), "replicate");
  append.times.durable = 63 * kMs;
  EXPECT_EQ(WhereItWaited(append), "sync");
  append.times.taken = 9000 * kMs;
  EXPECT_EQ(WhereItWaited(append), "queue");
  append.forwarded = true;
  EXPECT_EQ(WhereItWaited(append), "leader");
}

TEST(WhereItWaitedTest, WhatHadNotComeWhenTheDeadlinePassed) {
  AnsweredAppend append = Append(50);
  append.times.committed = append.times.answered = 0;
  EXPECT_EQ(WhereItWaited(append), "sync and replicate");
  append.times.durable = 14 * kMs;
  EXPECT_EQ(WhereItWaited(append), "replicate");
  append.times.durable = 0;
  append.times.replicated = 15 * kMs;
  EXPECT_EQ(WhereItWaited(append), "sync");
}

TEST(WhereItWaitedTest, WhatWasHeldBackBeforeItWasPosted) {
  AnsweredAppend append = Append(50);
  append.began = -400 * kMs;
  EXPECT_EQ(WhereItWaited(append), "quota");
}

TEST(SlowAppendLogTest, ALineSaysWhatIsKnown) {
  std::vector<std::string> lines;
  SlowAppendLog log(50 * kMs, [&](const std::string& line) { lines.push_back(line); });
  AnsweredAppend append = Append(50);
  append.bytes = 312;
  append.records = 3;
  append.times.durable = 62 * kMs;
  EXPECT_TRUE(log.Note(append));
  EXPECT_THAT(lines,
              ElementsAre("slow append: log=orders request=r1 outcome=OK took_ms=54.0 bytes=312 "
                          "records=3 queue_ms=1.0 gather_ms=1.0 evaluate_ms=1.0 sync_ms=49.0 "
                          "commit_ms=50.0 apply_ms=1.0 waited=\"replicate\""));
}

TEST(SlowAppendLogTest, AQuickOneGetsNone) {
  const auto none = [](const std::string& line) { ADD_FAILURE() << line; };
  EXPECT_FALSE(SlowAppendLog(55 * kMs, none).Note(Append(50)));
  EXPECT_FALSE(SlowAppendLog(0, none).Note(Append(1'000'000)));
}

TEST(SlowAppendLogTest, WhatIsTooMuchForASecondIsCounted) {
  std::vector<std::string> lines;
  SlowAppendLog log(1, [&](const std::string& line) { lines.push_back(line); });
  for (uint64_t i = 0; i < SlowAppendLog::kLinesPerSecond + 7; ++i)
    EXPECT_TRUE(log.Note(Append(50)));
  ASSERT_EQ(lines.size(), SlowAppendLog::kLinesPerSecond);
  EXPECT_THAT(lines.back(), Not(HasSubstr("left_out")));
  EXPECT_TRUE(log.Note(Append(5000)));  // Ended seconds later.
  EXPECT_THAT(lines.back(), EndsWith(" left_out=7"));
  EXPECT_TRUE(log.Note(Append(5000)));
  EXPECT_THAT(lines.back(), Not(HasSubstr("left_out")));
}

}  // namespace
}  // namespace cairn::rpc
