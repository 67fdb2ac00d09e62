// Slots move between the logs of a cache while clients use it, and while whoever takes part in the
// move is killed: every answer has its place in a history of its key, and each key is in exactly
// one engine in the end.
//
// CAIRN_DRILL_SECONDS and CAIRN_DRILL_SEED make the drill longer, and another one.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "base/random.h"
#include "tests/integration/shard_load.h"
#include "tests/integration/shard_world.h"
#include "tests/integration/slot_client.h"
#include "tests/integration/stock_client.h"
#include "tests/support/resp_client.h"

namespace cairn::integration {
namespace {

using adapter::redis::MovePhase;
using adapter::redis::RespValue;
using adapter::redis::SlotMove;
using adapter::redis::SlotRange;
using adapter::redis::SlotState;
using ::testing::HasSubstr;

int64_t FromEnvironment(const char* name, int64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoll(text);
}

// Requires: no move is under way, and the load has stopped.
void JudgeAll(ShardWorld& shards, ShardLoad& load) {
  EXPECT_EQ(load.strange(), 0u);
  ASSERT_TRUE(load.ReadAll());
  SlotClient client(shards.Addresses());
  for (const std::shared_ptr<LoadKey>& key : load.keys()) {
    const history::RegisterVerdict verdict = history::CheckRegister(key->calls);
    EXPECT_TRUE(verdict.ok()) << key->name << ": " << verdict.explanation;
    if (key->calls.back().value == 0) continue;
    EXPECT_EQ(shards.CountEngines(key->name), 1) << key->name;
    if (key->kind != LoadKey::Kind::kRegister) continue;
    const auto lifetime = client.Do({"PTTL", key->name});
    ASSERT_TRUE(lifetime.has_value());
    EXPECT_GT(lifetime->integer, 0) << key->name << " lives for ever";
  }
  fmt::print("{} changes acknowledged over {} keys\n", load.acknowledged(), load.keys().size());
}

TEST(ReshardingTest, SlotsMoveToAndFroUnderLoad) {
  ShardWorld shards;
  ASSERT_NO_FATAL_FAILURE(shards.Begin());
  ShardLoad load(shards.Addresses(), 1);
  ASSERT_TRUE(load.AwaitMore(200));
  const std::vector<std::vector<std::string>> moves = {{"--slots", "0-8191", "--to", "2"},
                                                       {"--slots", "100-16000", "--to", "cache/1"},
                                                       {"--slots", "5000-5000", "--to", "2"},
                                                       {"--slots", "6000-16000", "--to", "2"}};
  for (const std::vector<std::string>& move : moves) {
    ASSERT_EQ(shards.Tool(move), 0)
        << shards.ToolOutput() << shards.world().Output(0) << shards.world().Output(1);
    EXPECT_TRUE(load.AwaitMore(100));
  }
  EXPECT_EQ(ShareText(shards.Slots().shares),
            " 0-99=cache/2 100-4999=cache/1 5000-5000=cache/2 5001-5999=cache/1 "
            "6000-16383=cache/2");
  load.Stop();
  EXPECT_GT(load.moved(), 0u);
  JudgeAll(shards, load);
}

// Again until somebody says something.
std::string Ask(SlotClient& client, const std::vector<std::string>& argv) {
  std::optional<RespValue> answer;
  EXPECT_TRUE(Eventually([&] {
    answer = client.Do(argv);
    return answer.has_value();
  }));
  return answer ? answer->text : "nothing";
}

TEST(ReshardingTest, WhatBlocksOrWasQueuedIsSentOn) {
  ShardWorld shards;
  ASSERT_NO_FATAL_FAILURE(shards.Begin());
  // Slot 5061 is of the first log.
  const std::string moved = fmt::format("MOVED 5061 {}", shards.world().Address(1));
  std::unique_ptr<testing::RespClient> blocked;
  std::unique_ptr<testing::RespClient> queued;
  ASSERT_TRUE(Eventually([&] {
    queued = testing::RespClient::Connect(shards.world().Address(0));
    const auto set = queued == nullptr ? std::nullopt : queued->Do({"SET", "{bar}1", "x"});
    return set && !set->error();
  }));
  // It knows by now who serves the other log.
  ASSERT_TRUE(Eventually([&] {
    const auto elsewhere = queued->Do({"GET", "foo"});
    return elsewhere && elsewhere->text.starts_with("MOVED ");
  }));
  blocked = testing::RespClient::Connect(shards.world().Address(0));
  ASSERT_TRUE(blocked->Send({"BLPOP", "{bar}list", "0"}));
  ASSERT_EQ(queued->Do({"MULTI"})->text, "OK");
  ASSERT_EQ(queued->Do({"INCR", "{bar}n"})->text, "QUEUED");
  ASSERT_EQ(shards.Tool({"--slots", "5000-5100", "--to", "2"}), 0) << shards.ToolOutput();
  const auto unblocked = blocked->Next();
  ASSERT_TRUE(unblocked.has_value());
  EXPECT_EQ(unblocked->text, moved);
  EXPECT_EQ(queued->Do({"EXEC"})->text, moved);
  EXPECT_EQ(queued->Do({"PING"})->text, "PONG") << "the transaction is over";
  EXPECT_EQ(queued->Do({"GET", "{bar}1"})->text, moved);
  SlotClient client(shards.Addresses());
  EXPECT_EQ(Ask(client, {"GET", "{bar}1"}), "x");
  EXPECT_EQ(client.Do({"EXISTS", "{bar}n"})->integer, 0);
}

TEST(ReshardingTest, AMoveThatIsTakenBackLeavesNothingBehind) {
  ShardWorld shards;
  ASSERT_NO_FATAL_FAILURE(shards.Begin());
  SlotClient client(shards.Addresses());
  for (int i = 0; i < 500; ++i) {
    ASSERT_EQ(Ask(client, {"SET", fmt::format("k{}", i), "v"}), "OK");
  }
  // Without its source nothing can be decided.
  shards.world().KillAgent(0);
  ASSERT_EQ(shards.Tool({"--slots", "0-8191", "--to", "2", "--wait", "false"}), 0)
      << shards.ToolOutput();
  EXPECT_EQ(shards.Tool({"--slots", "9000-9001", "--to", "1"}), 1);
  EXPECT_THAT(shards.ToolOutput(), HasSubstr("one move at a time"));
  const auto target = shards.world().Engine(1);
  const auto before = target->Do({"DBSIZE"});
  ASSERT_TRUE(before.has_value());
  EXPECT_TRUE(Eventually([&] { return target->Do({"DBSIZE"})->integer == 500; }, 20))
      << shards.world().Output(1);
  EXPECT_EQ(shards.Tool({"--status"}), 0);
  EXPECT_THAT(shards.ToolOutput(), HasSubstr("copying"));
  EXPECT_THAT(shards.ToolOutput(), HasSubstr("no agent that serves cache/1 has taken it up yet"));
  EXPECT_EQ(shards.Tool({"--abort"}), 0) << shards.ToolOutput();
  ASSERT_TRUE(shards.AwaitOver(1));
  EXPECT_LT(target->Do({"DBSIZE"})->integer, 500);
  EXPECT_FALSE(shards.Slots().last_moved);
  shards.world().StartAgent(0);
  for (int i = 0; i < 500; ++i) {
    ASSERT_EQ(Ask(client, {"GET", fmt::format("k{}", i)}), "v");
    ASSERT_EQ(shards.CountEngines(fmt::format("k{}", i)), 1);
  }
  EXPECT_EQ(shards.Tool({"--abort"}), 1);
  EXPECT_THAT(shards.ToolOutput(), HasSubstr("no slots are being moved"));
}

TEST(ReshardingTest, ALogJoinsAndGetsSlots) {
  ShardWorld shards(1, 3);
  AgentWorld& world = shards.world();
  world.StartAgent(0);
  world.StartAgent(1);
  ASSERT_NO_FATAL_FAILURE(shards.Connect());
  ASSERT_EQ(shards.Slots().logs.size(), 2u);
  SlotClient client(shards.Addresses());
  ASSERT_EQ(Ask(client, {"SET", "bar", "x"}), "OK");
  EXPECT_EQ(shards.Tool({"--slots", "5000-5100", "--to", "3"}), 1);
  EXPECT_THAT(shards.ToolOutput(), HasSubstr("start an agent for it first, as --shard 3/3"));
  world.StartAgentAs(2, "5/5");
  EXPECT_EQ(world.AwaitExit(2), std::optional<int>(1));
  EXPECT_THAT(world.Output(2), HasSubstr("has 2 logs, not 5"));
  world.StartAgentAs(2, "3/3");
  ASSERT_TRUE(Eventually([&] { return shards.Slots().logs.size() == 3; }));
  ASSERT_EQ(shards.Tool({"--slots", "5000-5100", "--to", "3"}), 0)
      << shards.ToolOutput() << world.Output(2);
  EXPECT_EQ(Ask(client, {"GET", "bar"}), "x");
  const auto joined = testing::RespClient::Connect(world.Address(2));
  ASSERT_NE(joined, nullptr);
  EXPECT_EQ(joined->Do({"GET", "bar"})->text, "x");
}

// Kills somebody at a moment of a move, and lets him begin again.
void Harm(ShardWorld& shards, const SlotMove& move, Random& random) {
  static constexpr MovePhase kMoments[] = {MovePhase::kCopying, MovePhase::kReady,
                                           MovePhase::kPrepared, MovePhase::kMoved};
  const MovePhase moment = kMoments[random.Below(4)];
  AgentWorld& world = shards.world();
  const uint64_t who = random.Below(5);
  const size_t source = move.source == "cache/1" ? 0 : 1;
  const auto victim = world.AwaitPrimaryOf(who == 0 ? source : 1 - source);
  const auto leader = world.AwaitLeader(who % 2 == 0 ? "cache.slots" : move.target);
  ASSERT_TRUE(victim.has_value());
  ASSERT_TRUE(leader.has_value());
  ASSERT_TRUE(shards.AwaitPhase(move.number, moment));
  fmt::print("move {}: {} when it is {}\n", move.number, who, Name(moment));
  if (who <= 1) {
    world.KillAgent(*victim);
    world.StartAgent(*victim);
  } else if (who == 2) {
    shards.KillTool();
  } else if (who == 3) {
    world.cluster().Kill(*leader);
    world.cluster().Start(*leader);
  } else {
    world.KillEngine(*victim);
  }
}

TEST(ReshardingDrillTest, EveryAnswerHasItsPlaceWhateverDies) {
  const auto seed = static_cast<uint64_t>(FromEnvironment("CAIRN_DRILL_SEED", 1));
  const absl::Duration time = absl::Seconds(FromEnvironment("CAIRN_DRILL_SECONDS", 30));
  SCOPED_TRACE(fmt::format("CAIRN_DRILL_SEED={}", seed));
  ShardWorld shards(3, 4);
  ASSERT_NO_FATAL_FAILURE(shards.Begin());
  ShardLoad load(shards.Addresses(), seed);
  ASSERT_TRUE(load.AwaitMore(100));
  Random random(seed);
  const absl::Time end = absl::Now() + time;
  while (absl::Now() < end && !::testing::Test::HasFailure()) {
    const SlotState before = shards.Slots();
    const adapter::redis::SlotShare share = before.shares[random.Below(before.shares.size())];
    const uint32_t middle = share.slots.first + (share.slots.size() - 1) / 2;
    const SlotRange slots{share.slots.first, random.Chance(0.5) ? share.slots.last : middle};
    const std::string target = share.log == "cache/1" ? "cache/2" : "cache/1";
    const uint64_t number = before.last_move + 1;
    shards.StartTool({"--slots", ToText(slots), "--to", target});
    ASSERT_TRUE(shards.AwaitPhase(number, MovePhase::kCopying)) << shards.ToolOutput();
    const SlotState begun = shards.Slots();
    if (begun.move) {
      ASSERT_NO_FATAL_FAILURE(Harm(shards, *begun.move, random));
    }
    ASSERT_TRUE(shards.AwaitOver(number));
    EXPECT_TRUE(shards.Slots().last_moved) << shards.Slots().why;
    shards.KillTool();
    EXPECT_TRUE(load.AwaitMore(20));
  }
  EXPECT_TRUE(load.AwaitMore(50));
  load.Stop();
  fmt::print("{} moves\n", shards.Slots().last_move);
  JudgeAll(shards, load);
}

// A library as it comes knows nothing of moves.
TEST(ReshardingStockTest, IoredisFollows) {
  ShardWorld shards;
  ASSERT_NO_FATAL_FAILURE(shards.Begin());
  const auto client =
      StockClient::Start(ClientLibrary::kIoredis,
                         {"cluster", shards.world().Address(0) + "," + shards.world().Address(1)});
  if (client == nullptr) GTEST_SKIP() << "the library cannot be had here";
  ASSERT_TRUE(client->AwaitAcked(100)) << client->Output();
  for (const std::string slots : {"0-8191", "1000-12000", "0-16383"}) {
    const std::string target = slots == "1000-12000" ? "1" : "2";
    const int done = shards.Tool({"--slots", slots, "--to", target});
    if (slots == "0-16383") {
      EXPECT_EQ(done, 1) << "they are of both";
      continue;
    }
    ASSERT_EQ(done, 0) << shards.ToolOutput();
    ASSERT_TRUE(client->AwaitAcked(200)) << client->Output();
  }
  EXPECT_TRUE(client->Finish()) << client->Output();
  EXPECT_EQ(client->Output().find("error "), std::string::npos) << client->Output();
}

}  // namespace
}  // namespace cairn::integration
