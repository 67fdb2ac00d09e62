// EngineSetup: what is set in a real engine, what is refused, what is alarmed about.
#include "adapter/redis/engine_setup.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "tests/adapter/engine_fixture.h"

namespace cairn::adapter::redis {
namespace {

EngineSetupOptions Options() {
  EngineSetupOptions options;
  options.sink_password = "sink-password";
  return options;
}

class EngineSetupTest : public ::testing::Test {
 protected:
  absl::StatusOr<EngineSetup> SetUpIt(const EngineSetupOptions& options) {
    return world_.Run(SetUpEngine(engine_.link(), engine_.Facts(), options, kCallPatience));
  }
  std::string Setting(const std::string& name) {
    const RespValue reply = engine_.Do({"CONFIG", "GET", name});
    return reply.items.size() == 2 ? reply.items[1].text : "";
  }

  EngineWorld world_;
  TestEngine engine_{&world_, "a"};
};

TEST_F(EngineSetupTest, SetsWhatTheAgentNeeds) {
  const absl::StatusOr<EngineSetup> setup = SetUpIt(Options());
  ASSERT_TRUE(setup.ok()) << setup.status();
  EXPECT_EQ(Setting("repl-backlog-size"), std::to_string(128 << 20));
  EXPECT_EQ(Setting("repl-backlog-ttl"), "0");
  EXPECT_EQ(ReplicaOutputLimit(Setting("client-output-buffer-limit")),
            (uint64_t{128} << 20) + (uint64_t{1} << 30));
  EXPECT_EQ(Setting("repl-diskless-load"), "on-empty-db");
  EXPECT_EQ(Setting("replica-serve-stale-data"), "no");
  EXPECT_EQ(Setting("masterauth"), "sink-password");
  EXPECT_GT(setup->commands.size(), 200U);
  EXPECT_EQ(setup->max_bulk_bytes, uint64_t{512} << 20);
  EXPECT_EQ(setup->max_query_buffer_bytes, uint64_t{1} << 30);
  EXPECT_GT(setup->max_clients, 0U);
  EXPECT_TRUE(setup->alarms.empty());
}

TEST_F(EngineSetupTest, LeavesWhatIsMoreThanEnough) {
  engine_.Do({"CONFIG", "SET", "repl-backlog-size", std::to_string(1 << 30)});
  engine_.Do({"CONFIG", "SET", "client-output-buffer-limit", "replica 0 0 0"});
  engine_.Do({"CONFIG", "SET", "repl-timeout", "300"});
  ASSERT_TRUE(SetUpIt(Options()).ok());
  EXPECT_EQ(Setting("repl-backlog-size"), std::to_string(1 << 30));
  EXPECT_EQ(ReplicaOutputLimit(Setting("client-output-buffer-limit")), 0U);
  EXPECT_EQ(Setting("repl-timeout"), "300");
}

TEST_F(EngineSetupTest, RefusesEvictionInSyncModeUnlessForced) {
  engine_.Do({"CONFIG", "SET", "maxmemory-policy", "allkeys-lru"});
  const absl::StatusOr<EngineSetup> refused = SetUpIt(Options());
  ASSERT_TRUE(absl::IsFailedPrecondition(refused.status()));
  EXPECT_NE(std::string(refused.status().message()).find("allkeys-lru"), std::string::npos);
  EngineSetupOptions forced = Options();
  forced.allow_eviction = true;
  const absl::StatusOr<EngineSetup> setup = SetUpIt(forced);
  ASSERT_TRUE(setup.ok());
  EXPECT_EQ(setup->alarms.size(), 1U);
  EngineSetupOptions async = Options();
  async.sync_durability = false;
  EXPECT_TRUE(SetUpIt(async).ok());
}

TEST_F(EngineSetupTest, RefusesAnOldEngine) {
  EngineFacts facts = engine_.Facts();
  facts.version = "6.0.16";
  facts.version_number = 6'000'016;
  const auto setup = world_.Run(SetUpEngine(engine_.link(), facts, Options(), kCallPatience));
  EXPECT_TRUE(absl::IsFailedPrecondition(setup.status())) << setup.status();
}

TEST_F(EngineSetupTest, AlarmsAboutOthersWhoReachAnAttachedEngine) {
  EngineSetupOptions options = Options();
  options.attached = true;
  ASSERT_TRUE(SetUpIt(options).ok());
  EXPECT_TRUE(SetUpIt(options)->alarms.empty());
  EngineLink stranger(world_.executor(), engine_.address());
  ASSERT_TRUE(world_.Run(stranger.Connect(kCallPatience)).ok());
  ASSERT_TRUE(world_.Run(stranger.Call({"CLIENT", "SETNAME", "intruder"}, kCallPatience)).ok());
  const absl::StatusOr<EngineSetup> setup = SetUpIt(options);
  ASSERT_TRUE(setup.ok());
  ASSERT_EQ(setup->alarms.size(), 1U);
  EXPECT_NE(setup->alarms[0].find("intruder"), std::string::npos);
}

TEST(FindStrangersTest, KnowsItsOwnAndTheReplicationLinks) {
  const std::string list =
      "id=3 addr=/s:0 flags=U name= cmd=client\nid=4 addr=1.2.3.4:5 flags=N cmd=set\n"
      "id=5 addr=/s:0 flags=S cmd=psync\nid=6 addr=127.0.0.1:1 flags=M cmd=ping\n";
  const std::array<uint64_t, 1> own = {3};
  EXPECT_EQ(FindStrangers(list, own),
            std::vector<std::string>{"id=4 addr=1.2.3.4:5 flags=N cmd=set"});
  EXPECT_TRUE(FindStrangers("", own).empty());
}

TEST(ReplicaOutputLimitTest, IsFoundAmongTheOthers) {
  EXPECT_EQ(ReplicaOutputLimit("normal 0 0 0 slave 268435456 67108864 60 pubsub 1 2 3"),
            268435456U);
  EXPECT_EQ(ReplicaOutputLimit("replica 12 0 0"), 12U);
  EXPECT_EQ(ReplicaOutputLimit("normal 0 0 0"), std::nullopt);
}

}  // namespace
}  // namespace cairn::adapter::redis
