// Histories as text: what is written reads back, and what cannot be read says where.
#include "tests/history/history_text.h"

#include <gtest/gtest.h>

#include <string>

namespace cairn::history {
namespace {

constexpr char kEverything[] = R"(log 7 fenced last_seq=4 chain=00c0ffee00c0ffee lease=A@3
10..25 c1 append x "y z" if_last_seq=4 epoch=3 -> ok 5..6 chain=0123456789abcdef
-12.. c2 append "\"\\\x00\xff" "" -> unknown
30..41 c3 append q if_last_seq=2 -> CONDITION_FAILED last_seq=6
30..41 c3 append q -> FENCE_REQUIRED
30..41 c3 append q -> ok last_seq=9
30..41 c3 append q -> ok first_seq=9
30..41 c3 read -> ok last_seq=6 chain=0123456789abcdef lease="free 2"@3
30..41 c3 read -> ok lease=free
50..60 c4 acquire B if_last_seq=6 -> ok last_seq=8 epoch=8
50..60 c5 acquire free -> LEASE_HELD lease=@3
61..70 c4 renew 8 -> ok
61..70 c1 renew 3 -> LEASE_LOST lease=free@8
71..80 c4 transfer 8 D if_last_seq=8 -> ok epoch=9
81..90 c4 release 9 -> refused
committed from 5
5 data x chain=0000000000000001
6 data "y z" chain=0000000000000002
7 expired A epoch=3 chain=0000000000000003
8 acquired B chain=0000000000000004
9 transferred D epoch=8 chain=0000000000000005
10 released epoch=9 chain=0000000000000006
11 other chain=0000000000000007
)";

TEST(HistoryTextTest, WhatIsWrittenReadsBack) {
  const auto history = ParseHistory(kEverything);
  ASSERT_TRUE(history.ok()) << history.status();
  EXPECT_EQ(FormatHistory(*history), kEverything);
  EXPECT_EQ(history->operations.size(), 14u);
  EXPECT_EQ(history->operations[1].payloads, (std::vector<std::string>{{"\"\\\0\xff", 4}, ""}));
  EXPECT_EQ(history->operations[1].begin_us, -12);
  EXPECT_EQ(history->operations[9].lease, LeaseSeen({Epoch(3), ""}));
  EXPECT_EQ(history->committed->records[2].ended_epoch, Epoch(3));
}

TEST(HistoryTextTest, CommentsBlanksAndChainsByPayloads) {
  const auto history = ParseHistory(
      "# A story.\n\nlog 7   # its id\n  1..2 c1 append \"#1\" -> ok 1..1 chain=[\"#1\"]\n"
      "committed from 1\n1 data \"#1\"\n");
  ASSERT_TRUE(history.ok()) << history.status();
  const uint64_t chain = ChainOf(GroupId(7), {"#1"});
  EXPECT_EQ(history->operations.at(0).chain, chain);
  EXPECT_EQ(history->committed->records.at(0).chain, chain);
}

TEST(HistoryTextTest, WhatCannotBeReadSaysWhere) {
  struct Case {
    const char* text;
    const char* error;
  };
  const Case cases[] = {
      {"log x", "line 1: expected a number at 'x'"},
      {"log 1 last=3", "line 1: expected fenced, last_seq=, chain= or lease= at 'last=3'"},
      {"\n1..2 c1 write x -> ok", "line 2: expected a call at 'x -> ok'"},
      {"1..2 c1 append -> ok", "line 1: expected a payload at '-> ok'"},
      {"1..2 c1 append x -> fine", "line 1: expected an outcome at ''"},
      {"1..2 c1 append \"x -> ok", "line 1: expected '\"' at ''"},
      {"1..2 c1 append \"\\x4\" -> ok", "line 1: expected two hexadecimal digits at '4\" -> ok'"},
      {"1..2 c1 append x if=2 -> ok",
       "line 1: expected if_last_seq=, epoch= or -> at 'if=2 -> ok'"},
      {"1..2 c1 renew -> ok", "line 1: expected a number at '-> ok'"},
      {"1..2 append x -> ok", "line 1: expected 'c' at 'append x -> ok'"},
      {"1..2 c1 read -> ok lease=A", "line 1: expected '@' at ''"},
      {"committed from 1\n1 gone x", "line 2: expected a kind of record at 'x'"},
      {"committed from 1\n1 data x y", "line 2: expected the end of the line at 'y'"},
  };
  for (const Case& c : cases) {
    const auto history = ParseHistory(c.text);
    ASSERT_FALSE(history.ok()) << c.text;
    EXPECT_EQ(history.status().message(), c.error) << c.text;
  }
}

}  // namespace
}  // namespace cairn::history
