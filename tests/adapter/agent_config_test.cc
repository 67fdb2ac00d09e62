// Options of the agent that depend on each other.
#include "adapter/redis/agent_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/strings.h"

namespace cairn::adapter::redis {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<AgentInvocation> Parse(std::vector<std::string> argv) {
  argv.insert(argv.end(), {"--data-dir", "data"});
  return ParseAgentInvocation(argv, [](const char*) -> const char* { return nullptr; });
}

TEST(AgentConfigTest, ACacheOfOneLogIsFoundByItsAddressOrThroughSentinel) {
  const auto parsed = Parse({"--log", "cache"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->config.log, "cache");
  EXPECT_EQ(parsed->config.discovery, "sentinel");
  EXPECT_EQ(parsed->config.shards, 0u);
}

TEST(AgentConfigTest, ACacheOfSeveralLogsIsACluster) {
  const auto parsed = Parse({"--cache", "shop", "--shard", "2/3"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->config.log, "shop/2");
  EXPECT_EQ(parsed->config.discovery, "cluster");
  EXPECT_EQ(parsed->config.shards, 3u);
}

struct WrongCase {
  const char* name;
  std::vector<std::string> argv;
  const char* complaint;
};

void PrintTo(const WrongCase& example, std::ostream* out) { *out << example.name; }

class WrongAgentConfigTest : public ::testing::TestWithParam<WrongCase> {};

TEST_P(WrongAgentConfigTest, IsRefusedWithWhatWasExpected) {
  const absl::Status status = Parse(GetParam().argv).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(ToStd(status.message())), HasSubstr(GetParam().complaint));
}

INSTANTIATE_TEST_SUITE_P(
    Options, WrongAgentConfigTest,
    ::testing::Values(
        WrongCase{"NoLog", {}, "option log is required"},
        WrongCase{"CacheWithoutShard", {"--cache", "c"}, "cache and shard"},
        WrongCase{"ShardWithoutCache", {"--log", "l", "--shard", "1/3"}, "cache and shard"},
        WrongCase{"LogAndCache", {"--log", "l", "--cache", "c", "--shard", "1/3"}, "log and cache"},
        WrongCase{"ShardZero", {"--cache", "c", "--shard", "0/3"}, "NUMBER/COUNT"},
        WrongCase{"ShardBeyond", {"--cache", "c", "--shard", "4/3"}, "NUMBER/COUNT"},
        WrongCase{"ShardNoNumber", {"--cache", "c", "--shard", "1/"}, "NUMBER/COUNT"},
        WrongCase{"TooManyShards", {"--cache", "c", "--shard", "1/1025"}, "NUMBER/COUNT"},
        WrongCase{"SeveralLogsBySentinel",
                  {"--cache", "c", "--shard", "1/3", "--discovery", "sentinel"},
                  "as a cluster"},
        WrongCase{"SentinelPortOfACluster",
                  {"--log", "l", "--discovery", "cluster", "--sentinel-listen", "127.0.0.1:1"},
                  "sentinel-listen"},
        WrongCase{"UnknownDiscovery", {"--log", "l", "--discovery", "dns"}, "discovery"}),
    [](const auto& example) { return std::string(example.param.name); });

}  // namespace
}  // namespace cairn::adapter::redis
