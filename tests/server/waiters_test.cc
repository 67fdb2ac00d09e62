// Waiters: the committed, the replaced and the unknown must never be mistaken for one another.
#include "server/waiters.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "base/random.h"

namespace cairn::server {
namespace {

constexpr MonoMicros kFar = 1'000 * kMicrosPerSecond;

enum class Answer { kDone, kNotLeader, kUnknown, kStopped };

Rejection Why(cairn::v1::Reason reason) {
  Rejection why;
  why.info.set_reason(reason);
  return why;
}

Answer ToAnswer(const Reply& reply) {
  if (!std::holds_alternative<Rejection>(reply)) return Answer::kDone;
  switch (std::get<Rejection>(reply).info.reason()) {
    case cairn::v1::REASON_NOT_LEADER:
      return Answer::kNotLeader;
    case cairn::v1::REASON_OUTCOME_UNKNOWN:
      return Answer::kUnknown;
    default:
      return Answer::kStopped;
  }
}

class WaitersTest : public ::testing::Test {
 protected:
  using Answers = std::map<uint64_t, Answer>;

  void File(uint64_t token, uint64_t term, uint64_t index, MonoMicros deadline = kFar) {
    waiters_.File(Index(index), Term(term), {nullptr, token}, Done{}, deadline);
  }
  Answers Apply(uint64_t term, uint64_t index) {
    waiters_.OnApplied(Index(index), Term(term), Why(cairn::v1::REASON_NOT_LEADER), out_);
    return Take();
  }
  Answers Expire(MonoMicros now) {
    waiters_.Expire(now, out_);
    return Take();
  }
  Answers Take() {
    Answers answers;
    for (const Effects::OutReply& reply : out_) {
      EXPECT_TRUE(answers.emplace(reply.to.token, ToAnswer(reply.reply)).second)
          << reply.to.token << " was answered twice";
    }
    out_.clear();
    return answers;
  }

  Waiters waiters_{8};
  std::vector<Effects::OutReply> out_;
};

TEST_F(WaitersTest, AnEntryOfTheSameTermMakesTheReplyTrue) {
  File(1, 2, 10);
  File(2, 2, 10);
  File(3, 2, 11);
  EXPECT_EQ(Apply(2, 9), Answers());
  EXPECT_EQ(Apply(2, 10), (Answers{{1, Answer::kDone}, {2, Answer::kDone}}));
  EXPECT_EQ(Apply(2, 11), (Answers{{3, Answer::kDone}}));
}

TEST_F(WaitersTest, ADeposedLeaderStillLearnsThatItsEntryWasCommitted) {
  File(1, 2, 10);  // Then leadership is lost; the new leader has the entry.
  EXPECT_EQ(Apply(2, 10), (Answers{{1, Answer::kDone}}));
}

TEST_F(WaitersTest, ANewerTermAtTheIndexMeansCertainlyNotDone) {
  File(1, 2, 10);
  EXPECT_EQ(Apply(3, 10), (Answers{{1, Answer::kNotLeader}}));
}

TEST_F(WaitersTest, ANewerTermBelowTheIndexDecidesItToo) {
  // The log will never hold (12, term 2) above (10, term 3): terms do not fall.
  File(1, 2, 12);
  EXPECT_EQ(Apply(3, 10), (Answers{{1, Answer::kNotLeader}}));
}

TEST_F(WaitersTest, ALeaderThatReturnsKeepsItsTwoReignsApart) {
  File(1, 2, 12);
  File(2, 5, 11);  // Lower index, newer term.
  EXPECT_EQ(Apply(5, 10), (Answers{{1, Answer::kNotLeader}}));
  EXPECT_EQ(Apply(5, 11), (Answers{{2, Answer::kDone}}));
}

TEST_F(WaitersTest, ARefusalThatRestsOnAnOlderEntryNeedNotWaitForTheNewest) {
  File(1, 2, 12);
  File(2, 2, 10);
  EXPECT_EQ(Apply(2, 10), (Answers{{2, Answer::kDone}}));
  EXPECT_EQ(Apply(2, 12), (Answers{{1, Answer::kDone}}));
}

TEST_F(WaitersTest, ASnapshotThatSkipsTheIndexLeavesItUnknown) {
  File(1, 2, 10);
  File(2, 2, 12);
  waiters_.OnSkipped(Index(11), out_);
  EXPECT_EQ(Take(), (Answers{{1, Answer::kUnknown}}));
  EXPECT_EQ(Apply(2, 12), (Answers{{2, Answer::kDone}}));
}

TEST_F(WaitersTest, OnlyPassedDeadlinesAreUnknown) {
  File(1, 2, 10, 500);
  File(2, 2, 10, 300'000);
  File(3, 2, 11, 700);
  EXPECT_EQ(Expire(499), Answers());
  EXPECT_EQ(Expire(500), (Answers{{1, Answer::kUnknown}}));
  // The next look is at least a grain later, so that no tick scans everything again.
  EXPECT_EQ(Expire(700), Answers());
  EXPECT_EQ(Expire(500 + Waiters::kExpiryGrainUs), (Answers{{3, Answer::kUnknown}}));
  EXPECT_EQ(Apply(2, 10), (Answers{{2, Answer::kDone}}));
  EXPECT_EQ(waiters_.size(), 0u);
}

TEST_F(WaitersTest, ClearAnswersAll) {
  File(1, 2, 10);
  File(2, 3, 11);
  waiters_.Clear(Why(cairn::v1::REASON_SHUTTING_DOWN), out_);
  EXPECT_EQ(Take(), (Answers{{1, Answer::kStopped}, {2, Answer::kStopped}}));
}

TEST_F(WaitersTest, IsFullAtItsCapacity) {
  for (uint64_t token = 1; token <= 8; ++token) {
    EXPECT_FALSE(waiters_.Full());
    File(token, 1, token);
  }
  EXPECT_TRUE(waiters_.Full());
  Apply(1, 1);
  EXPECT_FALSE(waiters_.Full());
}

using WaitersDeathTest = WaitersTest;
TEST_F(WaitersDeathTest, FilingForWhatIsAlreadyDecidedIsABug) {
  Apply(3, 10);
  EXPECT_DEATH(File(1, 3, 10), "position > decided_");
}

// Random reigns over one log: every waiter is answered by what the final log holds.
TEST(WaitersPropertyTest, AgreesWithTheLogThatWasCommitted) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    Random random(seed);
    Waiters waiters(100'000);
    std::vector<uint64_t> log{0};  // Term of each index; those through `committed` are final.
    uint64_t committed = 0;
    std::map<uint64_t, consensus::Position> filed;
    std::vector<Effects::OutReply> out;
    for (uint64_t term = 1, token = 0; term <= 8; ++term) {
      // The leader of this term keeps the committed entries and perhaps some more.
      log.resize(committed + 1 + random.Below(log.size() - committed));
      for (uint64_t n = 1 + random.Below(5); n > 0; --n) {
        log.push_back(term);
        filed[++token] = {Term(term), Index(log.size() - 1)};
        waiters.File(Index(log.size() - 1), Term(term), {nullptr, token}, Done{}, kFar);
      }
      // By counting, only what includes an entry of this term commits (thesis 3.6.2).
      const uint64_t commit = committed + random.Below(log.size() - committed);
      if (term < 8 && log[commit] != term) continue;
      const uint64_t target = term < 8 ? commit : log.size() - 1;
      while (committed < target) {
        ++committed;
        waiters.OnApplied(Index(committed), Term(log[committed]), Why(cairn::v1::REASON_NOT_LEADER),
                          out);
      }
    }
    EXPECT_EQ(waiters.size(), 0u) << "seed " << seed;
    ASSERT_EQ(out.size(), filed.size()) << "seed " << seed;
    for (const Effects::OutReply& reply : out) {
      const consensus::Position at = filed.at(reply.to.token);
      const bool done = at.index.value() < log.size() && log[at.index.value()] == at.term.value();
      EXPECT_EQ(ToAnswer(reply.reply), done ? Answer::kDone : Answer::kNotLeader)
          << "seed " << seed << " token " << reply.to.token;
    }
  }
}

}  // namespace
}  // namespace cairn::server
