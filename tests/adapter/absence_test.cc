#include "adapter/redis/front/absence.h"

#include <gtest/gtest.h>

#include <string>

namespace cairn::adapter::redis {
namespace {

struct Case {
  const char* command;
  size_t keys;
  const char* reply;
  bool absent;
};

class AbsenceTest : public testing::TestWithParam<Case> {};

TEST_P(AbsenceTest, IsSeenInTheReply) {
  const Case& test = GetParam();
  const AbsenceSign sign = SignOfAbsence(test.command, test.keys);
  EXPECT_EQ(ShowsAbsence(sign, test.keys, test.reply), test.absent) << test.command;
}

INSTANTIATE_TEST_SUITE_P(
    Replies, AbsenceTest,
    testing::Values(Case{"get", 1, "$-1\r\n", true}, Case{"get", 1, "_\r\n", true},
                    Case{"get", 1, "$1\r\nv\r\n", false}, Case{"get", 1, "$1\r\n0\r\n", false},
                    Case{"get", 1, "-WRONGTYPE Operation against a key\r\n", false},
                    Case{"object|encoding", 1, "-ERR no such key\r\n", true},
                    Case{"xpending", 1, "-NOGROUP No such key 'x'\r\n", true},
                    Case{"getrange", 1, "$0\r\n\r\n", true}, Case{"exists", 1, ":0\r\n", true},
                    Case{"exists", 1, ":1\r\n", false}, Case{"exists", 3, ":2\r\n", true},
                    Case{"exists", 3, ":3\r\n", false}, Case{"touch", 2, ":1\r\n", true},
                    Case{"ttl", 1, ":-2\r\n", true}, Case{"pttl", 1, ":17\r\n", false},
                    Case{"type", 1, "+none\r\n", true}, Case{"type", 1, "+string\r\n", false},
                    Case{"zscore", 1, ",0\r\n", true}, Case{"zscore", 1, ",1.5\r\n", false},
                    Case{"hgetall", 1, "*0\r\n", true}, Case{"hgetall", 1, "%0\r\n", true},
                    Case{"hgetall", 1, "*2\r\n$1\r\nf\r\n$1\r\nv\r\n", false},
                    Case{"hmget", 1, "*2\r\n$-1\r\n$-1\r\n", true},
                    Case{"hmget", 1, "*2\r\n$-1\r\n$1\r\nv\r\n", false},
                    Case{"geopos", 1, "*1\r\n*-1\r\n", true},
                    Case{"smismember", 1, "*2\r\n:0\r\n:0\r\n", true},
                    Case{"mget", 2, "*2\r\n$1\r\na\r\n$-1\r\n", true},
                    Case{"mget", 2, "*2\r\n$1\r\na\r\n_\r\n", true},
                    Case{"mget", 2, "*2\r\n$1\r\na\r\n$3\r\n$-1\r\n", false},
                    Case{"sinter", 2, "*1\r\n$1\r\na\r\n", false},
                    Case{"sinter", 2, "*0\r\n", true},
                    Case{"sunion", 2, "*1\r\n$1\r\na\r\n", true}));

// A long reply is looked at while it comes, to see whether it must be held back.
TEST(AbsencePrefixTest, TheFirstValueDecides) {
  const std::string begun = "*3\r\n$5\r\nhel";
  EXPECT_FALSE(ShowsAbsence(AbsenceSign::kEmpty, 1, begun));
  EXPECT_TRUE(ShowsAbsence(AbsenceSign::kEmpty, 1, "*3\r\n$-1\r\n$1"));
}

}  // namespace
}  // namespace cairn::adapter::redis
