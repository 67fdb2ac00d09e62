// Options of the agent of memcached: what they are when nothing is said, and what they may be.
#include "adapter/memcache/agent_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"

namespace cairn::adapter::memcache {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<AgentInvocation> Parse(std::vector<std::string> argv) {
  argv.insert(argv.end(), {"--data-dir", "data"});
  return ParseAgentInvocation(argv, [](const char*) -> const char* { return nullptr; });
}

TEST(MemcacheAgentConfigTest, WhatIsNotSaidHasADefault) {
  const auto parsed = Parse({"--log", "cache"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const AgentConfig& config = parsed->config;
  EXPECT_EQ(config.log, "cache");
  EXPECT_EQ(config.mode, "write-through");
  EXPECT_FALSE(config.local_reads);
  EXPECT_EQ(config.engine_cmd, "memcached");
  EXPECT_TRUE(config.engine.empty());
  EXPECT_EQ(config.listen, "127.0.0.1:11211");
  EXPECT_EQ(config.advertise, config.listen);
  EXPECT_EQ(config.lag_bytes, uint64_t{64} << 20);
  EXPECT_TRUE(config.data_dir.starts_with('/')) << "whatever the working directory becomes";
}

TEST(MemcacheAgentConfigTest, AllThatCanBeSaid) {
  const auto parsed =
      Parse({"--log", "cache", "--mode", "write-behind", "--local-reads", "true", "--engine-cmd",
             "memcached -m 256", "--listen", "127.0.0.1:7001", "--lag-bytes", "1MiB"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const AgentConfig& config = parsed->config;
  EXPECT_EQ(config.mode, "write-behind");
  EXPECT_TRUE(config.local_reads);
  EXPECT_EQ(config.engine_cmd, "memcached -m 256");
  EXPECT_EQ(config.listen, "127.0.0.1:7001");
  EXPECT_EQ(config.lag_bytes, uint64_t{1} << 20);
}

TEST(MemcacheAgentConfigTest, AnEngineOfSomebodyElses) {
  const auto parsed = Parse({"--log", "cache", "--engine", "unix:/run/memcached.sock"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->config.engine, "unix:/run/memcached.sock");
}

TEST(MemcacheAgentConfigTest, ARingIsTheLogAndOthers) {
  const auto parsed = Parse({"--log", "b", "--ring", "c, b,a"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->config.OtherLogs(), (std::vector<std::string>{"c", "a"}));
}

TEST(MemcacheAgentConfigTest, WhatCannotBeIsRefusedByName) {
  struct Case {
    std::vector<std::string> argv;
    const char* named;
  };
  const Case cases[] = {
      {{}, "log"},
      {{"--log", ""}, "log"},
      {{"--log", "cache", "--mode", "write-around"}, "mode"},
      {{"--log", "cache", "--engine", "nowhere"}, "engine"},
      {{"--log", "cache", "--engine-cmd", ""}, "engine-cmd"},
      {{"--log", "cache", "--durability", "sync"}, "durability"},
      {{"--log", "cache", "--ring", "cache-1,cache-2"}, "ring"},
      {{"--log", "cache", "--ring", "cache,other,other"}, "ring"},
      {{"--log", "cache", "--ring", ","}, "ring"},
      {{"--log", "cache", "--peer-tls-ca", "ca.crt"}, "peer-tls-ca"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.named);
    const auto parsed = Parse(c.argv);
    ASSERT_TRUE(absl::IsInvalidArgument(parsed.status())) << parsed.status();
    EXPECT_THAT(ToStd(parsed.status().message()), HasSubstr(c.named));
  }
}

TEST(MemcacheAgentConfigTest, HelpIsPrinted) {
  const auto parsed = Parse({"--help"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->verdict.action, AgentVerdict::Action::kPrint);
}

}  // namespace
}  // namespace cairn::adapter::memcache
