#include "adapter/memcache/request_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cairn::adapter::memcache {
namespace {

using Outcome = RequestParser::Outcome;
using ::testing::ElementsAre;

RequestParser::Result ParseOnce(std::string_view bytes) { return RequestParser().Parse(bytes); }

TEST(RequestParserTest, SaysHowManyBytesAreToCome) {
  const std::string line = "set k 0 0 100\r\n";
  RequestParser parser;
  EXPECT_EQ(parser.Parse("se").wanted, 3u);
  const RequestParser::Result early = parser.Parse(line);
  EXPECT_EQ(early.outcome, Outcome::kNeedMore);
  EXPECT_EQ(early.wanted, line.size() + 102);
  EXPECT_EQ(early.consumed, 0u);
  const std::string all = line + std::string(100, 'v') + "\r\n";
  EXPECT_EQ(parser.Parse(all.substr(0, all.size() - 1)).wanted, all.size());
  const std::string with_next = all + "get k\r\n";
  const RequestParser::Result whole = parser.Parse(with_next);
  EXPECT_EQ(whole.outcome, Outcome::kRequest);
  EXPECT_EQ(whole.consumed, all.size());
  EXPECT_EQ(whole.request.value, std::string(100, 'v'));
}

TEST(RequestParserTest, SkipsAValueThatIsTooLargeAsItComes) {
  RequestParser parser;
  const std::string line = "set k 0 0 1048576\r\n";
  const RequestParser::Result refused = parser.Parse(line);
  EXPECT_EQ(refused.outcome, Outcome::kRequest);
  EXPECT_TRUE(refused.request.too_large);
  EXPECT_EQ(refused.consumed, line.size());
  EXPECT_EQ(parser.skipping_bytes(), 1048578u);
  EXPECT_EQ(parser.Parse(std::string(1048577, 'v')).consumed, 1048577u);
  const RequestParser::Result last = parser.Parse("\nversion\r\n");
  EXPECT_EQ(last.outcome, Outcome::kNeedMore);
  EXPECT_EQ(last.consumed, 1u);
  EXPECT_EQ(parser.Parse("version\r\n").request.verb, Verb::kVersion);
}

TEST(RequestParserTest, TheLargestItemIsTheEngines) {
  RequestParser parser({.item_size = {.item_size_max = 2048}});
  // 48 bytes of header, 8 of CAS, key and zero byte, line end.
  EXPECT_FALSE(parser.Parse("set k 0 0 1988\r\n").request.too_large);
  RequestParser with_flags({.item_size = {.item_size_max = 2048}});
  EXPECT_TRUE(with_flags.Parse("set k 1 0 1988\r\n").request.too_large);
  RequestParser other({.item_size = {.item_size_max = 2048}});
  EXPECT_EQ(other.Parse("add k 0 0 1989\r\n").reply, "SERVER_ERROR object too large for cache\r\n");
}

TEST(RequestParserTest, ALineWithoutEndClosesUnlessItIsAGet) {
  const std::string long_key(2048, 'k');
  EXPECT_TRUE(ParseOnce("set " + long_key).close);
  EXPECT_FALSE(ParseOnce("get " + long_key).close);
  EXPECT_FALSE(ParseOnce("   gets " + long_key).close);
  EXPECT_TRUE(ParseOnce(std::string(101, ' ') + "get " + long_key).close);
  EXPECT_TRUE(ParseOnce("gat 0 " + long_key).close);
  RequestParser parser({.max_line_bytes = 4096});
  EXPECT_FALSE(parser.Parse("get " + long_key).close);
  EXPECT_TRUE(parser.Parse("get " + long_key + long_key).close);
}

TEST(RequestParserTest, OtherProtocolsAreShownTheDoor) {
  const RequestParser::Result binary = ParseOnce(std::string("\x80\x0b\0\0", 4));
  EXPECT_TRUE(binary.close);
  EXPECT_EQ(binary.reply, "ERROR\r\n");
  EXPECT_TRUE(ParseOnce("GET / HTTP/1.1\r\n").close);
  RequestParser parser;
  EXPECT_EQ(parser.Parse("version\r\n").outcome, Outcome::kRequest);
  EXPECT_FALSE(parser.Parse("\x80\x0b\r\n").close);  // A word like any other by now.
}

TEST(RequestParserTest, ReadsAutoDiscovery) {
  const RequestParser::Result result = ParseOnce("config get cluster\r\n");
  EXPECT_EQ(result.request.verb, Verb::kConfigGet);
  EXPECT_THAT(result.request.keys, ElementsAre("cluster"));
  EXPECT_EQ(Classify(result.request), RequestClass::kAgent);
}

TEST(RequestParserTest, TellsWhoAnswers) {
  const std::pair<std::string_view, RequestClass> cases[] = {
      {"get k\r\n", RequestClass::kRead},
      {"gets a b\r\n", RequestClass::kRead},
      {"mg k v\r\n", RequestClass::kRead},
      {"me k\r\n", RequestClass::kRead},
      {"mg k N30\r\n", RequestClass::kKeyed},
      {"mg k R30\r\n", RequestClass::kKeyed},
      {"mg k T30\r\n", RequestClass::kKeyed},
      {"gat 0 k\r\n", RequestClass::kKeyed},
      {"touch k 0\r\n", RequestClass::kKeyed},
      {"incr k 1\r\n", RequestClass::kKeyed},
      {"set k 0 0 0\r\n\r\n", RequestClass::kKeyed},
      {"ms k 0\r\n\r\n", RequestClass::kKeyed},
      {"md k\r\n", RequestClass::kKeyed},
      {"ma k\r\n", RequestClass::kKeyed},
      {"delete k\r\n", RequestClass::kKeyed},
      {"flush_all 5\r\n", RequestClass::kFlush},
      {"version\r\n", RequestClass::kEngine},
      {"stats items\r\n", RequestClass::kEngine},
      {"mn\r\n", RequestClass::kAgent},
      {"verbosity 1\r\n", RequestClass::kAgent},
      {"quit\r\n", RequestClass::kAgent},
  };
  for (const auto& [bytes, want] : cases) {
    const RequestParser::Result result = ParseOnce(bytes);
    ASSERT_EQ(result.outcome, Outcome::kRequest) << bytes;
    EXPECT_EQ(Classify(result.request), want) << bytes;
  }
}

// memcached wants a time of `gat` and no key. What has no key must not get into the order of keys.
TEST(RequestParserTest, WithoutAKeyThereIsNothingToChange) {
  for (const std::string_view bytes : {"gat 0\r\n", "gats 0\r\n", "gat -1 \r\n"}) {
    const RequestParser::Result result = ParseOnce(bytes);
    ASSERT_EQ(result.outcome, Outcome::kRejected) << bytes;
    EXPECT_EQ(result.reply, "END\r\n") << bytes;
    EXPECT_FALSE(result.close) << bytes;
  }
}

TEST(RequestParserTest, AnOwnedRequestOutlivesItsBytes) {
  std::string bytes = "ms Zm9v 3 b k T60 F7\r\nabc\r\n";
  const RequestParser::Result result = ParseOnce(bytes);
  ASSERT_EQ(result.outcome, Outcome::kRequest);
  OwnedRequest first(result.request, std::string_view(bytes).substr(0, result.consumed));
  bytes.assign(bytes.size(), '#');
  const OwnedRequest owned = std::move(first);
  EXPECT_EQ(owned->key(), "foo");
  EXPECT_THAT(owned->keys, ElementsAre("Zm9v"));
  EXPECT_EQ(owned->value, "abc");
  EXPECT_EQ(owned->meta.text, "b k T60 F7");
  EXPECT_EQ(owned->meta.ttl, 60);
  EXPECT_EQ(owned->client_flags, 7u);
}

TEST(RequestParserTest, NumbersAreReadAsByC) {
  struct Case {
    std::string_view exptime;
    int32_t want;
  };
  const Case cases[] = {{"4294967297", 1},
                        {"-4294967295", 1},
                        {"+5", 5},
                        {"\t5\tx", 5},
                        {"2147483648", -2147483647 - 1}};
  for (const Case& c : cases) {
    const std::string line = "touch k " + std::string(c.exptime) + "\r\n";
    EXPECT_EQ(ParseOnce(line).request.exptime, c.want) << c.exptime;
  }
  for (const std::string_view wrong : {"", "-", "5x", "9223372036854775808", "x5"}) {
    const std::string line = "touch k " + std::string(wrong) + "\r\n";
    EXPECT_EQ(ParseOnce(line).outcome, Outcome::kRejected) << wrong;
  }
}

}  // namespace
}  // namespace cairn::adapter::memcache
