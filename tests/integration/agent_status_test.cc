// `cairn-agent status`: agents of both engines are asked how they are, by the same command.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/agent_world.h"
#include "tests/integration/memcache_world.h"

namespace cairn::integration {
namespace {

using ::testing::HasSubstr;

// What it printed, and its exit code.
std::pair<std::string, int> Status(const AgentProcesses& world, std::vector<std::string> flags) {
  flags.insert(flags.begin(), {CAIRN_BIN_DIR "/cairn-agent", "status"});
  Process process;
  const std::string output = world.File("status.out");
  std::filesystem::remove(output);  // Processes append.
  process.Start({.argv = std::move(flags), .environment = {}, .output = output});
  const std::optional<int> code = process.AwaitExit();
  return {ReadWholeFile(output), code.value_or(-1)};
}

// All agents of the world answer, whoever is asked, and one of them is the primary.
void ExpectAllToldBy(const AgentProcesses& world, const std::vector<std::string>& whom) {
  std::string text;
  ASSERT_TRUE(Eventually([&] {
    std::vector<std::string> flags = whom;
    flags.insert(flags.end(), {"-o", "json"});
    int code = -1;
    std::tie(text, code) = Status(world, std::move(flags));
    const auto told = nlohmann::json::parse(text, nullptr, false);
    if (code != 0 || told.is_discarded()) return false;
    std::set<std::string> addresses;
    size_t primaries = 0;
    for (const auto& agent : told["agents"]) {
      if (agent.contains("error") || agent.value("ready", "") != "yes") return false;
      addresses.insert(agent["address"]);
      if (agent["role"] == "primary") ++primaries;
    }
    return addresses.size() == world.size() && primaries == 1;
  })) << text;
}

template <class World>
void ExpectStatusOf(World& world) {
  ExpectAllToldBy(world, {"--agent", world.Address(0)});
  ExpectAllToldBy(world, {"--agent", world.Address(1)});
  ExpectAllToldBy(world, {"--log", "cache", "--endpoints", world.Endpoints()});
  const auto [table, code] = Status(world, {"--agent", world.Address(0)});
  EXPECT_EQ(code, 0) << table;
  for (size_t agent = 0; agent < world.size(); ++agent) {
    EXPECT_THAT(table, HasSubstr(world.Address(agent)));
  }
  world.KillAgent(0);
  world.KillAgent(1);
  const auto [nobody, failed] = Status(world, {"--agent", world.Address(0), "-o", "json"});
  EXPECT_EQ(failed, 1) << nobody;
  EXPECT_THAT(nobody, HasSubstr("error"));
}

TEST(AgentStatusTest, AllAgentsOfAMemcachedAreToldUntilNobodyIsThere) {
  MemcacheWorld world({.agents = 2});
  world.StartAllAgents();
  ASSERT_TRUE(world.AwaitAllServe()) << world.Output(0);
  ExpectStatusOf(world);
}

TEST(AgentStatusTest, AllAgentsOfARedisAreToldUntilNobodyIsThere) {
  AgentWorld world({.agents = 2, .program = "cairn-agent"});
  world.StartAllAgents();
  ASSERT_TRUE(world.AwaitPrimary()) << world.Output(0);
  ExpectStatusOf(world);
}

TEST(AgentStatusTest, WrongOptionsAndLogsWithoutAgentsAreToldApart) {
  MemcacheWorld world({.agents = 1});
  const auto [neither, wrong] = Status(world, {});
  EXPECT_EQ(wrong, 2);
  EXPECT_THAT(neither, HasSubstr("expected one of the options agent and log"));
  EXPECT_EQ(Status(world, {"--agent", "127.0.0.1:1", "--log", "cache"}).second, 2);
  EXPECT_EQ(Status(world, {"--agent", "nowhere"}).second, 2);
  EXPECT_EQ(Status(world, {"--agent", "127.0.0.1:1", "--verbose"}).second, 2);
  const auto [none, failed] = Status(world, {"--log", "nothing", "--endpoints", world.Endpoints()});
  EXPECT_EQ(failed, 1) << none;
  EXPECT_THAT(none, HasSubstr("no agent of the log nothing is there"));
}

// Somebody listens there who is no agent.
TEST(AgentStatusTest, WhoIsNoAgentIsToldAsSuch) {
  MemcacheWorld world({.agents = 1});
  const std::string endpoints = world.Endpoints();
  const std::string node = endpoints.substr(0, endpoints.find(','));
  const auto [text, code] = Status(world, {"--agent", node, "-o", "json"});
  EXPECT_EQ(code, 1) << text;
  EXPECT_THAT(text, HasSubstr("error"));
}

}  // namespace
}  // namespace cairn::integration
