// Libraries as they come, against agents whose primary is killed: the client finds the next one by
// itself, and everything that was acknowledged is there.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/integration/agent_world.h"
#include "tests/integration/stock_client.h"

namespace cairn::integration {
namespace {

struct StockCase {
  const char* name;
  ClientLibrary library;
  const char* mode;
};

void PrintTo(const StockCase& example, std::ostream* out) { *out << example.name; }

class StockClientsTest : public ::testing::TestWithParam<StockCase> {
 protected:
  static bool IsSentinel() { return std::string(GetParam().mode) == "sentinel"; }

  static AgentWorld::Options WorldOf() {
    AgentWorld::Options options{.nodes = 1, .agents = 3, .program = "cairn-agent"};
    options.sentinels = IsSentinel();
    options.flags = {"--discovery", IsSentinel() ? "sentinel" : "cluster"};
    return options;
  }

  static std::vector<std::string> WordsFor(const AgentWorld& world) {
    std::string addresses;
    for (size_t agent = 0; agent < 3; ++agent) {
      if (agent > 0) addresses += ",";
      addresses += IsSentinel() ? world.SentinelAddress(agent) : world.Address(agent);
    }
    return {GetParam().mode, addresses, "cache"};
  }
};

TEST_P(StockClientsTest, FollowsFailoversByItselfAndLosesNothing) {
  AgentWorld world(WorldOf());
  world.StartAllAgents();
  std::optional<size_t> primary = world.AwaitPrimary();
  ASSERT_TRUE(primary.has_value()) << world.Output(0);
  const auto client = StockClient::Start(GetParam().library, WordsFor(world));
  if (client == nullptr) GTEST_SKIP() << "the library cannot be had here";
  ASSERT_TRUE(client->AwaitAcked(50)) << client->Output();
  for (int round = 0; round < 2; ++round) {
    world.KillAgent(*primary);
    ASSERT_TRUE(client->AwaitAcked(50)) << "round " << round << "\n" << client->Output();
    world.StartAgent(*primary);
    primary = world.AwaitPrimary(primary);
    ASSERT_TRUE(primary.has_value());
  }
  EXPECT_TRUE(client->Finish()) << client->Output();
}

// A client of one address, and one agent: what a single Redis is replaced by.
class PlainClientTest : public ::testing::TestWithParam<ClientLibrary> {};

TEST_P(PlainClientTest, FindsEverythingWhenItsOnlyAgentIsBack) {
  AgentWorld::Options options{.nodes = 1, .agents = 1};
  options.program = "cairn-agent";
  AgentWorld world(options);
  world.StartAgent(0);
  ASSERT_TRUE(world.AwaitPrimary().has_value()) << world.Output(0);
  const auto client = StockClient::Start(GetParam(), {"plain", world.Address(0)});
  if (client == nullptr) GTEST_SKIP() << "the library cannot be had here";
  ASSERT_TRUE(client->AwaitAcked(50)) << client->Output();
  world.KillAgent(0);
  world.StartAgent(0);
  ASSERT_TRUE(client->AwaitAcked(50)) << client->Output();
  EXPECT_TRUE(client->Finish()) << client->Output();
}

INSTANTIATE_TEST_SUITE_P(Libraries, PlainClientTest,
                         ::testing::Values(ClientLibrary::kIoredis, ClientLibrary::kRedisPy),
                         [](const auto& library) {
                           return library.param == ClientLibrary::kIoredis ? "Ioredis" : "RedisPy";
                         });

// Three logs with two agents each; the client knows of the cluster what its agents tell.
TEST(ThreeLogsTest, KeysOfAllLogsAreThereAfterEachHasLostItsPrimary) {
  AgentWorld::Options options{.nodes = 1, .agents = 6};
  options.program = "cairn-agent";
  options.logs = 3;
  AgentWorld world(options);
  world.StartAllAgents();
  std::vector<size_t> primaries;
  for (size_t log = 0; log < 3; ++log) {
    const std::optional<size_t> primary = world.AwaitPrimaryOf(log);
    ASSERT_TRUE(primary.has_value()) << world.Output(log);
    primaries.push_back(*primary);
  }
  const auto client = StockClient::Start(ClientLibrary::kIoredis,
                                         {"cluster", world.Address(0) + "," + world.Address(4)});
  if (client == nullptr) GTEST_SKIP() << "the library cannot be had here";
  ASSERT_TRUE(client->AwaitAcked(100)) << client->Output();
  for (size_t log = 0; log < 3; ++log) {
    world.KillAgent(primaries[log]);
    ASSERT_TRUE(client->AwaitAcked(100)) << "log " << log << "\n" << client->Output();
  }
  EXPECT_TRUE(client->Finish()) << client->Output();
}

INSTANTIATE_TEST_SUITE_P(
    Libraries, StockClientsTest,
    ::testing::Values(StockCase{"IoredisCluster", ClientLibrary::kIoredis, "cluster"},
                      StockCase{"IoredisSentinel", ClientLibrary::kIoredis, "sentinel"},
                      StockCase{"RedisPyCluster", ClientLibrary::kRedisPy, "cluster"},
                      StockCase{"RedisPySentinel", ClientLibrary::kRedisPy, "sentinel"}),
    [](const auto& example) { return std::string(example.param.name); });

}  // namespace
}  // namespace cairn::integration
