#include "adapter/memcache/cas_token.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>

namespace cairn::adapter::memcache {
namespace {

std::string ForClient(const CasTokens& tokens, std::string_view line) {
  std::string out;
  tokens.AppendForClient(line, &out);
  return out;
}

TEST(CasTokensTest, ATokenOfAnotherOriginMatchesNothing) {
  std::set<uint64_t> seen;
  for (const uint64_t epoch : {1, 2, 3, 4096, 32767}) {
    for (const uint64_t life : {0, 1, 2, 31}) {
      const CasTokens tokens(epoch, life);
      for (const uint64_t number : {1, 2, 1'000'000}) {
        const uint64_t token = tokens.ToClient(number);
        EXPECT_TRUE(seen.insert(token).second) << epoch << " " << life << " " << number;
        EXPECT_TRUE(tokens.Matches(token, number));
        EXPECT_FALSE(tokens.Matches(token, number + 1));
        EXPECT_FALSE(CasTokens(epoch + 1, life).Matches(token, number));
        EXPECT_FALSE(CasTokens(epoch, life + 1).Matches(token, number));
        EXPECT_LE(token, uint64_t{INT64_MAX});
      }
    }
  }
}

TEST(CasTokensTest, ABareNumberIsNoToken) {
  const CasTokens tokens(1, 0);
  for (const uint64_t number : {uint64_t{0}, uint64_t{1}, uint64_t{5}, (uint64_t{1} << 61) - 1}) {
    EXPECT_FALSE(tokens.Matches(number, number)) << number;
  }
  EXPECT_EQ(tokens.ToClient(0), 0u);
}

// What engines with the flag E are told means the same under every lease.
TEST(CasTokensTest, ANumberOfTheLogIsItsOwnToken) {
  std::set<uint64_t> seen;
  for (const uint64_t seq : {uint64_t{1}, uint64_t{2}, uint64_t{1} << 40}) {
    for (const uint32_t index : {0u, 1u, (1u << 20) - 1}) {
      const uint64_t number = CasTokens::Logged(seq, index);
      EXPECT_TRUE(seen.insert(number).second) << seq << " " << index;
      EXPECT_LE(number, uint64_t{INT64_MAX});
      for (const CasTokens& tokens : {CasTokens(1, 0), CasTokens(32767, 31)}) {
        EXPECT_EQ(tokens.ToClient(number), number);
        EXPECT_TRUE(tokens.Matches(number, number));
        EXPECT_FALSE(tokens.Matches(number, number + 1));
        // The engine's own numbers have tokens of another kind.
        EXPECT_FALSE(tokens.Matches(tokens.ToClient(1), number));
        EXPECT_FALSE(tokens.Matches(number, 1));
      }
    }
  }
}

TEST(CasTokensTest, NumbersOfTheLogComeInItsOrder) {
  const CasTokens tokens(5, 1);
  const uint64_t number = CasTokens::Logged(7, 3);
  EXPECT_TRUE(tokens.IsOlder(CasTokens::Logged(7, 2), number));
  EXPECT_TRUE(tokens.IsOlder(CasTokens::Logged(6, 9), number));
  EXPECT_FALSE(tokens.IsOlder(number, number));
  EXPECT_FALSE(tokens.IsOlder(CasTokens::Logged(8, 0), number));
  EXPECT_FALSE(tokens.IsOlder(tokens.ToClient(1), number));
  EXPECT_FALSE(tokens.IsOlder(number, 1));
}

TEST(CasTokensTest, ComparesVersionsOfOneEngineOnly) {
  const CasTokens tokens(5, 1);
  EXPECT_TRUE(tokens.IsOlder(tokens.ToClient(7), 8));
  EXPECT_FALSE(tokens.IsOlder(tokens.ToClient(8), 8));
  EXPECT_FALSE(tokens.IsOlder(tokens.ToClient(9), 8));
  EXPECT_FALSE(tokens.IsOlder(CasTokens(4, 1).ToClient(7), 8));
  EXPECT_FALSE(tokens.IsOlder(0, 8));
  EXPECT_TRUE(CasTokens::Plain().IsOlder(7, 8));
}

TEST(CasTokensTest, RewritesOnlyTokens) {
  const CasTokens tokens(5, 1);
  const std::string token = std::to_string(tokens.ToClient(42));
  const std::pair<std::string, std::string> cases[] = {
      {"VALUE k 1 2 42\r\n", "VALUE k 1 2 " + token + "\r\n"},
      {"VALUE k 1 42\r\n", "VALUE k 1 42\r\n"},
      {"HD c42\r\n", "HD c" + token + "\r\n"},
      {"HD Oc42 kc42 c42 t-1 W\r\n", "HD Oc42 kc42 c" + token + " t-1 W\r\n"},
      {"VA 42 f1 c42\r\n", "VA 42 f1 c" + token + "\r\n"},
      {"HD c0\r\n", "HD c0\r\n"},
      {"ME cas=42 exp=-1 la=0 cas=42 fetch=no\r\n",
       "ME cas=42 exp=-1 la=0 cas=" + token + " fetch=no\r\n"},
      {"EN\r\n", "EN\r\n"},
      {"STAT cas 42\r\n", "STAT cas 42\r\n"},
  };
  for (const auto& [line, want] : cases) EXPECT_EQ(ForClient(tokens, line), want);
  EXPECT_EQ(ForClient(CasTokens::Plain(), "HD c42\r\n"), "HD c42\r\n");
}

}  // namespace
}  // namespace cairn::adapter::memcache
