// The checker on histories made by hand, each with its story.
#include "tests/history/linearizability.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/history/history_text.h"

namespace cairn::history {
namespace {

using ::testing::HasSubstr;

History Parsed(const std::string& text) {
  auto history = ParseHistory(text);
  EXPECT_TRUE(history.ok()) << history.status() << "\n" << text;
  return history.ok() ? *std::move(history) : History();
}

struct Story {
  const char* name;
  const char* story;
  const char* history;
};

void PrintTo(const Story& story, std::ostream* out) { *out << story.story; }

std::string NameOf(const ::testing::TestParamInfo<Story>& info) { return info.param.name; }

// ---- Right histories ----------------------------------------------------------------------

const Story kGood[] = {
    {"Empty", "nobody did anything", "log 1"},
    {"Sequential", "one client appends, one reads", R"(log 1
        10..20 c1 append a -> ok 1..1 chain=[a]
        30..40 c1 append b c -> ok 2..3 chain=[a b c]
        50..60 c2 read -> ok last_seq=3 chain=[a b c] lease=free)"},
    {"ConcurrentAppendsInAnyOrder", "two overlapping appends; the later call comes first", R"(log 1
        10..40 c1 append a -> ok 2..2 chain=[b a]
        20..30 c2 append b -> ok 1..1 chain=[b])"},
    {"ReadDuringAnAppendSeesItOrNot", "three reads inside of one append", R"(log 1
        10..90 c1 append a -> ok 1..1 chain=[a]
        20..80 c2 read -> ok last_seq=0
        20..70 c3 read -> ok last_seq=1 chain=[a]
        80..85 c4 read -> ok last_seq=1)"},
    {"UnknownNeverHappened", "an unanswered append that left no trace", R"(log 1
        10..   c1 append a -> unknown
        20..30 c2 append b -> ok 1..1 chain=[b]
        40..50 c2 read -> ok last_seq=1 chain=[b])"},
    {"UnknownTakesEffectLate", "an unanswered append appears long after it was given up", R"(log 1
        10..   c1 append a -> unknown
        20..30 c2 append b -> ok 1..1
        40..50 c2 read -> ok last_seq=1 chain=[b]
        60..70 c3 append c -> ok 3..3 chain=[b a c])"},
    {"UnknownIsPinnedByTheLog", "the log tells which of two unanswered appends happened", R"(log 1
        10..   c1 append a -> unknown
        10..   c2 append b -> unknown
        20..30 c3 read -> ok last_seq=1
        committed from 1
        1 data b)"},
    {"SamePayloadTwiceByTwoCalls", "two calls of equal payload, both took effect", R"(log 1
        10..20 c1 append a -> ok 1..1
        10..   c2 append a -> unknown
        30..40 c3 read -> ok last_seq=2 chain=[a a]
        committed from 1
        1 data a
        2 data a)"},
    {"RefusalShowsAStateOnTheWay", "CONDITION_FAILED by an append that is still unanswered",
     R"(log 1
        10..90 c1 append a -> ok 1..1
        20..30 c2 append b if_last_seq=0 -> CONDITION_FAILED last_seq=1)"},
    {"RefusedFromAhead", "the caller believed in records that never came", R"(log 1
        10..20 c1 append a -> ok 1..1
        30..40 c2 append b if_last_seq=5 -> CONDITION_FAILED last_seq=1)"},
    {"ExpiryByTheLeader", "a lease runs out, unasked, and somebody else takes it", R"(log 1
        10..20 c1 acquire A -> ok epoch=1
        30..40 c2 acquire B -> LEASE_HELD lease=A@1
        50..60 c3 read -> ok last_seq=2 lease=free
        70..80 c2 acquire B if_last_seq=2 -> ok epoch=3 last_seq=3
        90..99 c1 append a epoch=1 -> LEASE_LOST lease=B@3)"},
    {"ExpiryAndGrantInOneBatch", "if_last_seq is judged before both records",
     R"(log 1 last_seq=4 lease=A@3
        10..20 c2 acquire B if_last_seq=4 -> ok epoch=6 last_seq=6
        committed from 5
        5 expired A epoch=3
        6 acquired B)"},
    {"GrantWhoseReplyWasLost", "an unanswered acquire is why others are refused", R"(log 1
        10..   c1 acquire A -> unknown
        30..40 c2 acquire B -> LEASE_HELD lease=A@1
        50..60 c2 acquire B -> LEASE_HELD)"},
    {"TransferAndFence", "the heir writes under its epoch, the old holder cannot", R"(log 1 fenced
        10..20 c1 acquire A -> ok epoch=1
        21..30 c1 append a epoch=1 -> ok 2..2
        31..40 c1 transfer 1 B if_last_seq=2 -> ok epoch=3 last_seq=3
        41..50 c1 append b epoch=1 -> LEASE_LOST lease=B@3
        41..50 c2 append c epoch=3 if_last_seq=3 -> ok 4..4
        51..60 c2 append d -> FENCE_REQUIRED
        61..70 c2 renew 3 -> ok
        71..80 c2 release 3 -> ok last_seq=5
        81..90 c2 renew 3 -> LEASE_LOST lease=free)"},
    {"RenewalMovesNothing", "a condition survives renewals", R"(log 1
        10..20 c1 acquire A -> ok epoch=1
        21..30 c1 renew 1 -> ok
        31..40 c1 append a if_last_seq=1 epoch=1 -> ok 2..2)"},
    {"PipelinedConditions", "1, 2, 3 without waiting; the answers overlap", R"(log 1
        10..90 c1 append a if_last_seq=0 -> ok 1..1 chain=[a]
        11..91 c1 append b if_last_seq=1 -> ok 2..2 chain=[a b]
        12..   c1 append c if_last_seq=2 -> unknown
        13..93 c1 append d if_last_seq=3 -> ok 4..4 chain=[a b c d])"},
    {"StartsInTheMiddle", "the log is older than the history",
     R"(log 1 last_seq=9 chain=00000000000000aa lease=A@3
        10..20 c1 read -> ok last_seq=9 chain=00000000000000aa lease=A@3
        30..40 c1 append a epoch=3 -> ok 10..10
        50..60 c1 release 3 -> ok last_seq=11)"},
    {"TrimmedLog", "the committed records begin behind unanswered appends", R"(log 1
        10..   c1 append a -> unknown
        10..   c2 append b -> unknown
        10..20 c3 append c -> ok 3..3 chain=[b a c]
        committed from 3
        3 data c chain=[b a c])"},
    {"RecordsOfOthers", "another lease's records stand in the log", R"(log 1
        10..20 c1 append a -> ok 1..1
        30..40 c1 append b -> ok 3..3
        committed from 1
        1 data a
        2 other
        3 data b)"},
    {"RefusedLeavesNoTrace", "NOT_LEADER: not done, and tells nothing", R"(log 1
        10..20 c1 append a -> refused
        30..40 c1 append b if_last_seq=0 -> ok 1..1
        committed from 1
        1 data b)"},
    {"EndAndBeginAtOnce", "calls that touch in one microsecond count as concurrent", R"(log 1
        10..20 c1 append a -> ok 2..2
        20..30 c2 append b -> ok 1..1)"},
};

class GoodHistoryTest : public ::testing::TestWithParam<Story> {};

TEST_P(GoodHistoryTest, IsLinearizable) {
  const Verdict verdict = CheckLinearizable(Parsed(GetParam().history));
  EXPECT_EQ(verdict.kind, Verdict::Kind::kLinearizable) << verdict.Text();
  EXPECT_TRUE(verdict.explanation.empty());
}

INSTANTIATE_TEST_SUITE_P(Stories, GoodHistoryTest, ::testing::ValuesIn(kGood), NameOf);

// ---- Wrong histories ----------------------------------------------------------------------

const Story kBad[] = {
    {"StaleRead", "a read misses an append that was answered before it began", R"(log 1
        10..20 c1 append a -> ok 1..1
        30..40 c2 read -> ok last_seq=0)"},
    {"LostAppend", "an acknowledged append is gone, its seq is another's", R"(log 1
        10..20 c1 append a -> ok 1..1 chain=[a]
        30..40 c2 append b -> ok 1..1 chain=[b])"},
    {"LostAppendInTheLog", "an acknowledged append does not stand in the log", R"(log 1
        10..20 c1 append a -> ok 1..1
        committed from 1)"},
    {"ReplacedAppend", "another record stands where the append was acknowledged", R"(log 1
        10..20 c1 append a -> ok 1..1
        10..   c2 append b -> unknown
        committed from 1
        1 data b
        2 data a)"},
    {"Duplicate", "one acknowledged append stands twice", R"(log 1
        10..20 c1 append a -> ok 1..1
        committed from 1
        1 data a
        2 data a)"},
    {"UnknownTwice", "an unanswered append took effect twice", R"(log 1
        10..   c1 append a -> unknown
        20..30 c2 read -> ok last_seq=1 chain=[a]
        40..50 c2 read -> ok last_seq=2 chain=[a a])"},
    {"UnknownBeforeItsBegin", "a record is read before anybody sent it", R"(log 1
        10..20 c2 read -> ok last_seq=1 chain=[a]
        30..   c1 append a -> unknown)"},
    {"UnknownBeforeItsBeginInTheLog", "the log has it ahead of what was answered before", R"(log 1
        10..20 c2 append b -> ok 2..2
        30..   c1 append a -> unknown
        committed from 1
        1 data a
        2 data b)"},
    {"NobodySentIt", "the log has a record that no call explains", R"(log 1
        10..20 c1 append a -> ok 1..1
        committed from 1
        1 data a
        2 data ghost)"},
    {"TwoWinners", "two appends won the same if_last_seq", R"(log 1
        10..40 c1 append a if_last_seq=0 -> ok 1..1
        20..50 c2 append b if_last_seq=0 -> ok 2..2)"},
    {"TwoWinnersOfOneSeq", "two appends were given the same seq", R"(log 1
        10..40 c1 append a if_last_seq=0 -> ok 1..1
        20..50 c2 append b if_last_seq=0 -> ok 1..1)"},
    {"RefusalShowsAnOldSeq", "CONDITION_FAILED shows a log without what was acknowledged", R"(log 1
        10..20 c1 append a -> ok 1..1
        21..30 c1 append b -> ok 2..2
        40..50 c2 append c if_last_seq=0 -> CONDITION_FAILED last_seq=1)"},
    {"RefusalShowsTheSeqAskedFor", "refused by a condition that holds", R"(log 1
        10..20 c1 append a -> ok 1..1
        40..50 c2 append c if_last_seq=1 -> CONDITION_FAILED last_seq=1)"},
    {"RefusedByATrueCondition", "as before; the refusal tells no seq", R"(log 1
        10..20 c1 append a -> ok 1..1
        40..50 c2 append c if_last_seq=1 -> CONDITION_FAILED)"},
    {"RefusalShowsTheFuture", "CONDITION_FAILED shows a record that nobody had sent", R"(log 1
        10..20 c2 append b if_last_seq=0 -> CONDITION_FAILED last_seq=1
        30..40 c1 append a -> ok 1..1)"},
    {"RefusalWithoutACondition", "there was nothing to fail", R"(log 1
        10..20 c2 append b -> CONDITION_FAILED last_seq=0)"},
    {"RefusalRestsOnWhatNeverHappened", "refused by an append that then was not there", R"(log 1
        10..   c1 append a -> unknown
        20..30 c2 append b if_last_seq=0 -> CONDITION_FAILED last_seq=1
        40..50 c3 append c if_last_seq=0 -> ok 1..1 chain=[c])"},
    {"ReadsGoBack", "a second read shows less than the first", R"(log 1
        10..90 c1 append a -> ok 1..1
        20..30 c2 read -> ok last_seq=1
        40..50 c2 read -> ok last_seq=0)"},
    {"ReadsDisagree", "two reads see different records at one seq", R"(log 1
        10..   c1 append a -> unknown
        10..   c2 append b -> unknown
        20..30 c3 read -> ok last_seq=1 chain=[a]
        40..50 c3 read -> ok last_seq=1 chain=[b])"},
    {"ReadSeesHalfABatch", "a batch is atomic", R"(log 1
        10..90 c1 append a b -> ok 1..2
        20..30 c2 read -> ok last_seq=1)"},
    {"ChainOfAnotherPrefix", "an append is acknowledged behind records that are not there", R"(log 1
        10..20 c1 append a -> ok 1..1 chain=[a]
        30..40 c1 append b -> ok 2..2 chain=[x b])"},
    {"AcknowledgedWithTheLogsOldChain", "the answer's chain is not that of its last record",
     R"(log 1
        10..20 c1 append a -> ok 1..1 chain=[]
        committed from 1
        1 data a)"},
    {"RefusedButPresent", "certainly not done, and yet it stands there", R"(log 1
        10..20 c1 append a -> refused
        30..40 c2 read -> ok last_seq=1
        committed from 1
        1 data a)"},
    {"ConditionFailedButPresent", "refused by its condition, and yet it stands there", R"(log 1
        10..20 c1 append a if_last_seq=3 -> CONDITION_FAILED last_seq=0
        30..40 c2 read -> ok last_seq=1 chain=[a])"},
    {"OrderOfTimeViolated", "answered first, stands second", R"(log 1
        10..20 c1 append a -> ok 2..2
        30..40 c2 append b -> ok 1..1)"},
    {"OrderOfTimeViolatedThoughTheLogHasBoth", "the log agrees with both answers", R"(log 1
        10..20 c1 append a -> ok 2..2
        30..40 c2 append b -> ok 1..1
        committed from 1
        1 data b
        2 data a)"},
    {"ConditionOfAnUnknownIgnored", "an unanswered append stands where its condition fails",
     R"(log 1
        10..20 c1 append a -> ok 1..1
        30..   c2 append b if_last_seq=0 -> unknown
        committed from 1
        1 data a
        2 data b)"},
    {"BatchTornApart", "a batch stands with a stranger in the middle", R"(log 1
        10..20 c1 append a c -> unknown
        10..20 c2 append b -> ok 2..2
        committed from 1
        1 data a
        2 data b
        3 data c)"},
    {"HoleInTheLog", "seq 2 is not there", R"(log 1
        committed from 1
        1 data a
        3 data c)"},
    {"ChainBroken", "the log's own chain does not follow", R"(log 1
        10..20 c1 append a -> ok 1..1
        30..40 c1 append b -> ok 2..2
        committed from 1
        1 data a
        2 data b chain=[x b])"},
    {"OldEpochAfterANewGrant", "an append under an epoch that was over", R"(log 1
        10..20 c1 acquire A -> ok epoch=1
        30..40 c2 acquire B -> ok epoch=3
        50..60 c1 append a epoch=1 -> ok 4..4)"},
    {"OldEpochInTheLog", "an unanswered append took effect under an epoch that was over", R"(log 1
        10..20 c1 acquire A -> ok epoch=1
        15..   c1 append a epoch=1 -> unknown
        30..40 c1 release 1 -> ok last_seq=2
        committed from 1
        1 acquired A
        2 released A epoch=1
        3 data a)"},
    {"HeldWhileFree", "refused as held after the release was answered", R"(log 1
        10..20 c1 acquire A -> ok epoch=1
        21..30 c1 release 1 -> ok last_seq=2
        40..50 c2 acquire B -> LEASE_HELD lease=A@1)"},
    {"HeldByNobodyEver", "LEASE_HELD on a new log", R"(log 1
        40..50 c2 acquire B -> LEASE_HELD)"},
    {"HeldByAnother", "the refusal names the wrong holder", R"(log 1
        10..20 c1 acquire A -> ok epoch=1
        40..50 c2 acquire B -> LEASE_HELD lease=C@1)"},
    {"LostWhileCurrent", "the holder is told that it lost a lease which others see it hold",
     R"(log 1
        10..20 c1 acquire A -> ok epoch=1
        30..40 c1 renew 1 -> LEASE_LOST
        50..60 c2 read -> ok last_seq=1 lease=A@1)"},
    {"LostShowsTheOldHolder", "LEASE_LOST names a holder whose time was over", R"(log 1
        10..20 c1 acquire A -> ok epoch=1
        21..30 c1 transfer 1 B -> ok epoch=2
        31..40 c2 transfer 2 C -> ok epoch=3
        50..60 c1 append a epoch=1 -> LEASE_LOST lease=B@2)"},
    {"EpochComesBack", "lost, and then renewed", R"(log 1
        10..20 c1 acquire A -> ok epoch=1
        30..40 c1 renew 1 -> LEASE_LOST lease=free
        50..60 c1 renew 1 -> ok)"},
    {"AcquireWithAWrongCondition", "granted to one that had not read everything", R"(log 1
        10..20 c1 append a -> ok 1..1
        30..40 c2 acquire B if_last_seq=0 -> ok epoch=2)"},
    {"AcquireConditionJudgedAfterTheExpiry", "the batch's own expiry counted as read",
     R"(log 1 last_seq=4 lease=A@3
        10..20 c2 acquire B if_last_seq=5 -> ok epoch=6
        20..30 c3 read -> ok last_seq=6
        committed from 5
        5 expired A epoch=3
        6 data x)"},
    {"TwoHolders", "two grants of the same epoch", R"(log 1
        10..40 c1 acquire A -> ok epoch=1
        10..40 c2 acquire B -> ok epoch=1)"},
    {"EpochIsNotItsSeq", "the epoch is not the seq of the grant", R"(log 1
        10..20 c1 acquire A -> ok epoch=2 last_seq=1)"},
    {"ForeignRelease", "a release of an epoch that another call had ended", R"(log 1
        10..20 c1 acquire A -> ok epoch=1
        30..40 c1 transfer 1 B -> ok epoch=2
        50..60 c1 release 1 -> ok last_seq=3)"},
    {"RenewalAfterTheEnd", "a renewal of a released lease", R"(log 1
        10..20 c1 acquire A -> ok epoch=1
        30..40 c1 release 1 -> ok last_seq=2
        50..60 c1 renew 1 -> ok)"},
    {"RenewalTakesASeq", "a renewal must not break a condition", R"(log 1
        10..20 c1 acquire A -> ok epoch=1
        21..30 c1 renew 1 -> ok
        31..40 c1 append a if_last_seq=1 epoch=1 -> CONDITION_FAILED last_seq=2
        41..50 c1 append b epoch=1 -> ok 2..2)"},
    {"UnfencedAppend", "an append without an epoch on a fenced log", R"(log 1 fenced
        10..20 c1 append a -> ok 1..1)"},
    {"UnfencedAppendInTheLog", "as before; unanswered, but it stands there", R"(log 1 fenced
        10..   c1 append a -> unknown
        committed from 1
        1 data a)"},
    {"FenceOnAPlainLog", "FENCE_REQUIRED without a fence", R"(log 1
        10..20 c1 append a -> FENCE_REQUIRED)"},
    {"ConditionBeforeTheEpoch", "refused by if_last_seq under a lost epoch, which comes first",
     R"(log 1
        10..20 c1 append a if_last_seq=3 epoch=9 -> CONDITION_FAILED last_seq=0)"},
    {"ExpiryOfNothing", "the log ends a lease that nobody held", R"(log 1
        10..20 c1 append a -> ok 1..1
        committed from 1
        1 data a
        2 expired A epoch=1)"},
    {"ExpiryOfAnotherEpoch", "the log ends an epoch that was not the current one", R"(log 1
        10..20 c1 acquire A -> ok epoch=1
        21..30 c1 transfer 1 B -> ok epoch=2
        committed from 1
        1 acquired A
        2 transferred B epoch=1
        3 expired epoch=1)"},
    {"GrantThatNobodyAskedFor", "the log grants a lease to a stranger", R"(log 1
        10..20 c1 read -> ok last_seq=1
        committed from 1
        1 acquired Z)"},
    {"EndsBeforeItBegins", "the history itself is wrong", R"(log 1
        20..10 c1 read -> ok last_seq=0)"},
};

class BadHistoryTest : public ::testing::TestWithParam<Story> {};

TEST_P(BadHistoryTest, IsFound) {
  const Verdict verdict = CheckLinearizable(Parsed(GetParam().history));
  EXPECT_EQ(verdict.kind, Verdict::Kind::kViolation);
  EXPECT_FALSE(verdict.explanation.empty());
  EXPECT_LE(verdict.explanation.size(), 15u) << verdict.Text();
}

INSTANTIATE_TEST_SUITE_P(Stories, BadHistoryTest, ::testing::ValuesIn(kBad), NameOf);

// ---- The rest -------------------------------------------------------------------------------

TEST(LinearizabilityTest, TheExplanationNamesWhoAndWhy) {
  const Verdict verdict = CheckLinearizable(Parsed(R"(log 1
      10..20 c1 append a -> ok 1..1
      30..40 c2 append b -> ok 2..2
      50..60 c3 read -> ok last_seq=1
      50..   c4 append c -> unknown)"));
  EXPECT_EQ(verdict.Text(),
            R"(Not linearizable: no order of the 3 answered operations explains them.
The longest order found ends with
  10..20 c1 append a -> ok 1..1
Then the log is at last_seq 1, chain 3c48f2d4aab21b42, lease free.
None of the operations that may come next can:
  30..40 c2 append b -> ok 2..2
    would pass by what has still to see last_seq 1: 50..60 c3 read -> ok last_seq=1
)");
}

TEST(LinearizabilityTest, TheExplanationSaysWhoSentTheNextRecord) {
  const Verdict verdict = CheckLinearizable(Parsed(R"(log 1
      10..20 c1 append a -> refused
      committed from 1
      1 data a)"));
  EXPECT_EQ(verdict.Text(),
            R"(Not linearizable: no order of the 1 answered operations explains them.
Then the log is at last_seq 0, chain e35edee62b00458d, lease free.
None of the operations that may come next can:
  the committed log, which ends at 1
    shows last_seq 1, but the log is at 0
Next in the log: 1 data a chain=3c48f2d4aab21b42
  sent by 10..20 c1 append a -> refused
)");
}

TEST(LinearizabilityTest, TheOrderExplainsTheHistory) {
  const Verdict verdict = CheckLinearizable(Parsed(R"(log 1
      10..90 c1 append a -> ok 2..2
      20..   c2 append b -> unknown
      20..   c3 append c -> unknown
      30..40 c4 append d -> refused
      50..60 c5 read -> ok last_seq=1 chain=[c])"));
  EXPECT_EQ(verdict.order, (std::vector<size_t>{2, 4, 0}));
}

TEST(LinearizabilityTest, RefusalsMayShowThePastOnlyIfAsked) {
  const History history = Parsed(R"(log 1
      10..20 c1 append a -> ok 1..1
      21..30 c1 append b -> ok 2..2
      40..50 c2 append c if_last_seq=0 -> CONDITION_FAILED last_seq=1)");
  EXPECT_FALSE(CheckLinearizable(history).ok());
  EXPECT_TRUE(CheckLinearizable(history, {.refusals_may_show_the_past = true}).ok());
}

TEST(LinearizabilityTest, EvenThePastMustHaveRefused) {
  // The condition was not yet wrong for ever when this was refused.
  const History history = Parsed(R"(log 1
      10..20 c1 append a -> ok 1..1
      40..50 c2 append c if_last_seq=1 -> CONDITION_FAILED last_seq=2
      60..70 c1 append b -> ok 2..2)");
  EXPECT_FALSE(CheckLinearizable(history, {.refusals_may_show_the_past = true}).ok());
}

// Nothing tells in which order twelve unanswered appends came; only the last answer's chain does.
std::string TwelveUnanswered(const std::string& chain) {
  std::string text = "log 1\n";
  for (char c = 'a'; c < 'm'; ++c) text += fmt::format("10.. c1 append {} -> unknown\n", c);
  return text + "20..30 c2 append z -> ok 13..13 chain=" + chain + "\n";
}

TEST(LinearizabilityTest, GivingUpIsNoPass) {
  const History history = Parsed(TwelveUnanswered("0000000000000001"));
  const Verdict verdict = CheckLinearizable(history, {.max_configurations = 1000});
  EXPECT_EQ(verdict.kind, Verdict::Kind::kUndecided);
  EXPECT_FALSE(verdict.ok());
  EXPECT_THAT(verdict.Text(), HasSubstr("Undecided: gave up after 1014 configurations"));
}

TEST(LinearizabilityTest, TheCommittedLogDecidesWhatWouldBeTooMuchToTry) {
  std::string text = TwelveUnanswered("[l k j i h g f e d c b a z]") + "committed from 1\n";
  int seq = 0;
  for (const char c : std::string("lkjihgfedcbaz")) text += fmt::format("{} data {}\n", ++seq, c);
  const Verdict verdict = CheckLinearizable(Parsed(text), {.max_configurations = 20});
  EXPECT_TRUE(verdict.ok()) << verdict.Text();
}

}  // namespace
}  // namespace cairn::history
