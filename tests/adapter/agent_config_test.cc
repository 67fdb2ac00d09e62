// Options of the agent: what they are when nothing is said, what they may be, and which depend on
// each other.
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

TEST(AgentConfigTest, WhatIsNotSaidHasADefault) {
  const auto parsed = Parse({"--log", "cache"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const AgentConfig& config = parsed->config;
  EXPECT_EQ(config.durability, "sync");
  EXPECT_EQ(config.ttl_ms, 2'000u);
  EXPECT_EQ(config.lag_bytes, uint64_t{64} << 20);
  EXPECT_EQ(config.engine_cmd, "redis-server");
  EXPECT_EQ(config.advertise, config.listen);
  EXPECT_TRUE(config.data_dir.starts_with('/')) << "whatever the working directory becomes";
  EXPECT_TRUE(config.metrics_listen.empty());
}

TEST(AgentConfigTest, AllThatCanBeSaid) {
  const auto parsed = Parse({"--log",
                             "cache",
                             "--durability",
                             "async",
                             "--ttl-ms",
                             "500",
                             "--lag-bytes",
                             "1GiB",
                             "--lag-ms",
                             "250",
                             "--listen",
                             "0.0.0.0:7001",
                             "--advertise",
                             "h:7001",
                             "--io-threads",
                             "64",
                             "--max-clients",
                             "5",
                             "--engine",
                             "10.0.0.1:6379",
                             "--engine-user",
                             "agent",
                             "--metrics-listen",
                             "127.0.0.1:1",
                             "--tls-cert",
                             "c",
                             "--tls-key",
                             "k",
                             "--tls-ca",
                             "a",
                             "--tls-listen",
                             "0.0.0.0:7002",
                             "--allow-eviction=true"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const AgentConfig& config = parsed->config;
  EXPECT_EQ(config.durability, "async");
  EXPECT_EQ(config.ttl_ms, 500u);
  EXPECT_EQ(config.lag_bytes, uint64_t{1} << 30);
  EXPECT_EQ(config.advertise, "h:7001");
  EXPECT_EQ(config.io_threads, 64u);
  EXPECT_EQ(config.engine, "10.0.0.1:6379");
  EXPECT_EQ(config.tls_listen, "0.0.0.0:7002");
  EXPECT_TRUE(config.allow_eviction);
}

TEST(AgentConfigTest, FlagsWinOverTheEnvironment) {
  const auto environment = [](const char* name) -> const char* {
    const std::string_view asked = name;
    if (asked == "CAIRN_AGENT_LOG") return "cache";
    if (asked == "CAIRN_AGENT_DATA_DIR") return "data";
    if (asked == "CAIRN_AGENT_TTL_MS") return "700";
    return asked == "CAIRN_AGENT_LAG_MS" ? "800" : nullptr;
  };
  const auto parsed = ParseAgentInvocation({"--ttl-ms", "900"}, environment);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->config.log, "cache");
  EXPECT_EQ(parsed->config.ttl_ms, 900u);
  EXPECT_EQ(parsed->config.lag_ms, 800u);
}

TEST(AgentConfigTest, CommandsAreCutIntoWords) {
  const auto words = SplitCommand(R"(redis-server  --save "" --user 'a b' --x=y"z w")");
  ASSERT_TRUE(words.ok());
  EXPECT_EQ(*words,
            (std::vector<std::string>{"redis-server", "--save", "", "--user", "a b", "--x=yz w"}));
  EXPECT_FALSE(SplitCommand("redis-server 'open").ok());
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
        WrongCase{"UnknownDurability", {"--log", "l", "--durability", "maybe"}, "sync, async"},
        WrongCase{"LeaseTooShort", {"--log", "l", "--ttl-ms", "10"}, "ttl-ms"},
        WrongCase{"LagTooSmall", {"--log", "l", "--lag-bytes", "1KiB"}, "lag-bytes"},
        WrongCase{"TooManyThreads", {"--log", "l", "--io-threads", "65"}, "io-threads"},
        WrongCase{"NoPort", {"--log", "l", "--listen", "localhost"}, "listen"},
        WrongCase{"WildcardToOthers", {"--log", "l", "--listen", "0.0.0.0:1"}, "not a wildcard"},
        WrongCase{"EngineNowhere", {"--log", "l", "--engine", "here"}, "engine"},
        WrongCase{"NoCommand", {"--log", "l", "--engine-cmd", " "}, "expected a program"},
        WrongCase{"PasswordOfOwnEngine",
                  {"--log", "l", "--engine-password-file", "f"},
                  "only with option engine"},
        WrongCase{"CertificateWithoutKey", {"--log", "l", "--tls-cert", "c"}, "both or none"},
        WrongCase{"KeyWithoutCertificate", {"--log", "l", "--tls-key", "k"}, "both or none"},
        WrongCase{"TlsPortWithoutCertificate",
                  {"--log", "l", "--tls-listen", "h:1"},
                  "only with option tls-cert"},
        WrongCase{"AuthoritiesWithoutCertificate",
                  {"--log", "l", "--tls-ca", "a"},
                  "only with option tls-cert"},
        WrongCase{"UnknownOption", {"--log", "l", "--speed", "high"}, "--speed"},
        WrongCase{"UnknownDiscovery", {"--log", "l", "--discovery", "dns"}, "discovery"}),
    [](const auto& example) { return std::string(example.param.name); });

}  // namespace
}  // namespace cairn::adapter::redis
