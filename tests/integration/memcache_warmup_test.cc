// What a memcached is filled from when its agent begins, and where that begins to read.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "tests/integration/memcache_tools.h"
#include "tests/integration/memcache_world.h"

namespace cairn::integration {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr int kItems = 300;

class MemcacheWarmupTest : public ::testing::Test {
 protected:
  // Both agents have all items; agent 1 is stopped.
  void SetUp() override {
    world_.StartAllAgents();
    ASSERT_TRUE(world_.AwaitAllServe());
    const auto client = world_.Client(0);
    for (int i = 0; i < kItems; ++i) {
      ASSERT_EQ(client->Set(fmt::format("k{}", i), std::to_string(i)), "STORED");
    }
    ASSERT_EQ(client->Line("touch k0 5000"), "TOUCHED");
    ASSERT_EQ(client->Line("delete k1"), "DELETED");
    ASSERT_TRUE(world_.AwaitSameEngines());
    world_.KillAgent(1);
  }

  // The rest of the newest line of the agent's log that has this.
  std::string Told(size_t agent, const std::string& what) {
    const std::string output = world_.Output(agent);
    const size_t at = output.rfind(what);
    if (at == std::string::npos) return "";
    return output.substr(at + what.size(), output.find('\n', at) - at - what.size());
  }

  MemcacheWorld world_{{.agents = 2}};
  MemcacheTools tools_{world_};
};

TEST_F(MemcacheWarmupTest, AnAgentThatComesBackReadsTheLogFromWhereItsViewStood) {
  const auto seq = world_.Metric(0, "cairn_agent_view_seq");
  ASSERT_TRUE(seq && *seq > kItems);
  world_.StartAgent(1);
  ASSERT_TRUE(world_.AwaitSameEngines()) << world_.Output(1);
  const std::string began = Told(1, "the view reads the log from record ");
  // Agent 0 may have fed its view more than agent 1 had when it was killed, but little.
  EXPECT_GT(std::stod(began), *seq / 2) << world_.Output(1);
  EXPECT_THAT(world_.Output(1), HasSubstr(fmt::format("was filled with {} items", kItems - 1)));
}

TEST_F(MemcacheWarmupTest, ANewHostBeginsWithTheSnapshotThoughTheLogHasAllRecords) {
  const auto snapshot = tools_.RunWell("snapshot", {});
  ASSERT_EQ(world_.Client(0)->Set("later", "x"), "STORED");
  std::filesystem::remove_all(world_.Directory(1));
  world_.StartAgent(1);
  ASSERT_TRUE(world_.AwaitSameEngines()) << world_.Output(1);
  EXPECT_THAT(world_.Output(1), HasSubstr("loading the snapshot as of "));
  EXPECT_GT(std::stod(Told(1, "the view reads the log from record ")), kItems) << snapshot;
}

TEST_F(MemcacheWarmupTest, ANewHostWithoutASnapshotReadsTheWholeLog) {
  std::filesystem::remove_all(world_.Directory(1));
  world_.StartAgent(1);
  ASSERT_TRUE(world_.AwaitSameEngines()) << world_.Output(1);
  EXPECT_THAT(Told(1, "the view reads the log from record "), ::testing::StartsWith("1;"));
  EXPECT_THAT(world_.Output(1), Not(HasSubstr("loading the snapshot")));
}

}  // namespace
}  // namespace cairn::integration
