// Agents, engines and a cluster as real processes: what is committed survives whoever dies, and
// nothing happens twice.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/integration/agent_world.h"

namespace cairn::integration {
namespace {

using ::testing::HasSubstr;

// Increments until that many are committed in a row; whether the values were those expected.
void ExpectIncrements(AgentWorld& world, size_t primary, int64_t from, int64_t to) {
  for (int64_t next = from; next <= to; ++next) {
    const std::optional<int64_t> value = world.Increment(primary, "n");
    ASSERT_TRUE(value.has_value()) << "at " << next << "\n" << world.Output(primary);
    ASSERT_EQ(*value, next) << world.Output(primary);
  }
}

TEST(AgentsTest, AnotherAgentTakesOverWithAllThatIsCommittedAndTheOldOneFollows) {
  AgentWorld world({.nodes = 1, .agents = 3});
  world.StartAllAgents();
  const std::optional<size_t> first = world.AwaitPrimary();
  ASSERT_TRUE(first.has_value()) << world.Output(0);
  ExpectIncrements(world, *first, 1, 100);
  for (size_t agent = 0; agent < 3; ++agent) {
    if (agent == *first) continue;
    EXPECT_TRUE(world.AwaitReplica(agent, "n", "100")) << world.Output(agent);
  }

  world.KillAgent(*first);
  const std::optional<size_t> second = world.AwaitPrimary(first);
  ASSERT_TRUE(second.has_value());
  ExpectIncrements(world, *second, 101, 150);

  world.StartAgent(*first);
  EXPECT_TRUE(world.AwaitReplica(*first, "n", "150")) << world.Output(*first);
}

TEST(AgentsTest, ARestartedAgentGoesOnWithItsLivingEngine) {
  AgentWorld world({.nodes = 1, .agents = 1, .keep_engines = true});
  int64_t count = 0;
  for (int life = 0; life < 3; ++life) {
    world.StartAgent(0);
    ASSERT_EQ(world.AwaitPrimary(), std::optional<size_t>(0)) << world.Output(0);
    ExpectIncrements(world, 0, count + 1, count + 20);
    count += 20;
    world.KillAgent(0);
  }
  // The memory was never thrown away, but for the empty one at the beginning.
  const std::string output = world.Output(0);
  const std::string anew = "the engine begins anew";
  EXPECT_EQ(output.find(anew), output.rfind(anew)) << output;
}

TEST(AgentsTest, AnEngineThatDiedComesBackWithEverything) {
  AgentWorld world({.nodes = 1, .agents = 1});
  world.StartAgent(0);
  ASSERT_EQ(world.AwaitPrimary(), std::optional<size_t>(0)) << world.Output(0);
  ExpectIncrements(world, 0, 1, 20);
  world.KillEngine(0);
  ASSERT_EQ(world.AwaitPrimary(), std::optional<size_t>(0)) << world.Output(0);
  ExpectIncrements(world, 0, 21, 30);
}

TEST(AgentsTest, WhoIsAskedToStopHandsOver) {
  AgentWorld world({.nodes = 1, .agents = 2, .ttl_ms = 20'000});
  world.StartAllAgents();
  const std::optional<size_t> first = world.AwaitPrimary();
  ASSERT_TRUE(first.has_value()) << world.Output(0);
  const size_t other = 1 - *first;
  ExpectIncrements(world, *first, 1, 20);
  ASSERT_TRUE(world.AwaitReplica(other, "n", "20")) << world.Output(other);
  ASSERT_TRUE(Eventually([&] {
    const std::string output = world.Output(*first);
    const size_t told = output.rfind("agents of this cache: ");
    if (told == std::string::npos) return false;
    const std::string line = output.substr(told, output.find('\n', told) - told);
    return line.find(", ") != std::string::npos;
  })) << world.Output(*first);

  world.Signal(*first, SIGTERM);
  EXPECT_EQ(world.AwaitExit(*first), std::optional<int>(0)) << world.Output(*first);
  EXPECT_THAT(world.Output(*first), HasSubstr("handed over"));
  // Long before the lease would have run out.
  ASSERT_EQ(world.AwaitPrimary(first, 15), std::optional<size_t>(other)) << world.Output(other);
  ExpectIncrements(world, other, 21, 30);
}

TEST(AgentsTest, NothingIsLostOrDoneTwiceWhateverDiesInTurn) {
  AgentWorld world({.nodes = 1, .agents = 3});
  world.StartAllAgents();
  int64_t committed = 0;
  std::optional<size_t> dead;
  for (int round = 0; round < 4; ++round) {
    const std::optional<size_t> primary = world.AwaitPrimary(dead);
    ASSERT_TRUE(primary.has_value());
    // A write whose outcome was not told may be there or not; what was told is.
    const std::optional<int64_t> first = world.Increment(*primary, "n");
    ASSERT_TRUE(first.has_value()) << world.Output(*primary);
    ASSERT_GE(*first, committed + 1);
    ASSERT_LE(*first, committed + 2);
    ExpectIncrements(world, *primary, *first + 1, *first + 10);
    committed = *first + 10;
    if (dead) world.StartAgent(*dead);
    // One more is on its way when it dies; so nobody knows what comes of it.
    const auto engine = world.Engine(*primary);
    ASSERT_NE(engine, nullptr);
    ASSERT_TRUE(engine->Do({"INCR", "n"}).has_value());
    dead = primary;
    if (round % 2 == 0) {
      world.KillAgent(*primary);
    } else {
      world.Signal(*primary, SIGSTOP);
      ASSERT_TRUE(world.AwaitPrimary(primary).has_value()) << world.Output(0);
      world.Signal(*primary, SIGCONT);
      dead.reset();
      EXPECT_TRUE(Eventually([&] {
        const auto reply = world.Engine(*primary)->Do({"ROLE"});
        return reply && reply->items.size() == 5;
      })) << world.Output(*primary);
    }
  }
}

}  // namespace
}  // namespace cairn::integration
