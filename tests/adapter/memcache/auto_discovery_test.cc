#include "adapter/memcache/auto_discovery.h"

#include <gtest/gtest.h>

#include "adapter/memcache/request_parser.h"
#include "base/check.h"

namespace cairn::adapter::memcache {
namespace {

struct Asked {
  bool asks = false;
  std::string reply;
};

Asked Ask(std::string_view line, const std::vector<std::string>& doors, uint64_t version) {
  RequestParser parser{RequestParser::Options{}};
  const RequestParser::Result parsed = parser.Parse(line);
  CHECK(parsed.outcome == RequestParser::Outcome::kRequest);
  return {AsksForDoors(parsed.request), DoorsReply(parsed.request, doors, version)};
}

TEST(AutoDiscoveryTest, TheNodesAreAVersionAndALine) {
  const Asked asked = Ask("config get cluster\r\n", {"10.0.0.1:11211", "cache.example:7002"}, 12);
  EXPECT_TRUE(asked.asks);
  EXPECT_EQ(asked.reply,
            "CONFIG cluster 0 60\r\n"
            "12\n10.0.0.1|10.0.0.1|11211 cache.example|cache.example|7002\n\r\n"
            "END\r\n");
}

TEST(AutoDiscoveryTest, OlderClientsAskForAnItem) {
  for (const char* const line :
       {"get AmazonElastiCache:cluster\r\n", "gets AmazonElastiCache:cluster\r\n"}) {
    const Asked asked = Ask(line, {"127.0.0.1:11211"}, 1);
    EXPECT_TRUE(asked.asks) << line;
    EXPECT_EQ(asked.reply,
              "VALUE AmazonElastiCache:cluster 0 28\r\n1\n127.0.0.1|127.0.0.1|11211\n\r\nEND\r\n");
  }
}

TEST(AutoDiscoveryTest, OtherItemsAndSettingsAreNone) {
  EXPECT_FALSE(Ask("get cluster\r\n", {"h:1"}, 1).asks);
  EXPECT_FALSE(Ask("get AmazonElastiCache:cluster k\r\n", {"h:1"}, 1).asks);
  const Asked asked = Ask("config get other\r\n", {"h:1"}, 1);
  EXPECT_FALSE(asked.asks);
  EXPECT_EQ(asked.reply, "END\r\n");
}

TEST(AutoDiscoveryTest, AnAddressOfIPv6KeepsItsBrackets) {
  const Asked asked = Ask("config get cluster\r\n", {"[::1]:7001"}, 3);
  EXPECT_EQ(asked.reply, "CONFIG cluster 0 19\r\n3\n[::1]|[::1]|7001\n\r\nEND\r\n");
}

}  // namespace
}  // namespace cairn::adapter::memcache
