// Agents across `cairn recover`: nodes and agents of a cache are gone, one node's directory is made
// a cluster of its own, and agents serve what its logs have.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "cairn/client.h"
#include "cairn/error.h"
#include "cairn/log.h"
#include "tests/integration/agent_world.h"
#include "tests/integration/memcache_world.h"
#include "tests/support/resp_client.h"

namespace cairn::integration {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

constexpr char kLog[] = "cache";
constexpr size_t kLeft = 2;  // The node that is left.
constexpr int kKeys = 200;

std::string Key(int i) { return fmt::format("k{}", i); }

// All nodes are lost but the one that is left, which goes on as a cluster of its own.
void LoseAllButOne(AgentProcesses& world) {
  ProcessCluster& cluster = world.cluster();
  for (size_t node = 0; node < cluster.size(); ++node) cluster.Kill(node);
  const std::string to = world.File("recovered");
  Process process;
  process.Start(
      {.argv = {CAIRN_BIN_DIR "/cairn", "recover", "--from", cluster.DataDir(kLeft), "--to", to},
       .environment = {},
       .output = world.File("told")});
  ASSERT_EQ(process.AwaitExit(120), std::optional<int>(0)) << ReadWholeFile(world.File("told"));
  cluster.Start(kLeft, {"--data-dir", to});
  ASSERT_TRUE(Eventually([&] { return cluster.IsReady(kLeft); })) << cluster.Output(kLeft);
}

std::unique_ptr<Client> ConnectTo(const ProcessCluster& cluster) {
  ClientOptions options;
  options.endpoints = {cluster.Endpoint(kLeft)};
  options.default_timeout = absl::Seconds(20);
  auto client = Client::Connect(std::move(options));
  EXPECT_TRUE(client.ok()) << client.status();
  return *std::move(client);
}

// Who was in force before is not any more.
void ExpectVoid(Epoch before, const ProcessCluster& cluster) {
  const auto client = ConnectTo(cluster);
  auto log = client->OpenLog(kLog);
  ASSERT_TRUE(log.ok()) << log.status();
  AppendOptions fenced;
  fenced.if_lease_epoch = before;
  EXPECT_EQ(GetReason(log->Append("x", fenced).status()), Reason::kLeaseLost);
  const auto now = log->GetLease();
  ASSERT_TRUE(now.ok()) << now.status();
  EXPECT_GT(now->epoch, before);
}

Epoch EpochNow(const ProcessCluster& cluster) {
  const auto client = ConnectTo(cluster);
  auto log = client->OpenLog(kLog);
  const auto lease = log.ok() ? log->GetLease() : log.status();
  EXPECT_TRUE(lease.ok()) << lease.status();
  return lease.ok() ? lease->epoch : Epoch();
}

// ---- Redis --------------------------------------------------------------------------------------

class RecoverRedisTest : public ::testing::Test {
 protected:
  void Begin(bool keep_engines) {
    world_ = std::make_unique<AgentWorld>(AgentWorld::Options{
        .nodes = 3, .agents = 2, .keep_engines = keep_engines, .program = "cairn-agent"});
    world_->StartAllAgents();
    ASSERT_NO_FATAL_FAILURE(SetAll(0, kKeys));
  }
  // Through an agent that serves, acknowledged. Waits.
  void SetAll(int first, int last) {
    for (int i = first; i < last; ++i) {
      ASSERT_TRUE(Eventually([&] { return Ask({"SET", Key(i), "v"}) == "OK"; })) << i;
    }
  }
  // The answer of whoever is the primary; empty: nobody answers.
  std::string Ask(const std::vector<std::string>& argv) {
    for (size_t agent = 0; agent < world_->size(); ++agent) {
      const auto client = testing::RespClient::Connect(world_->Address(agent));
      const auto answer = client == nullptr ? std::nullopt : client->Do(argv);
      if (answer && !answer->error()) return answer->text;
    }
    return "";
  }
  void KillAgents() {
    for (size_t agent = 0; agent < world_->size(); ++agent) {
      world_->KillAgent(agent);
      world_->KillEngine(agent);
    }
  }
  // Both engines have the same keys, and what the log says: so has one that is filled from it
  // alone.
  void ExpectTheSameEverywhere(size_t primary) {
    ASSERT_NO_FATAL_FAILURE(SetAll(kKeys, kKeys + 1));
    const size_t other = 1 - primary;
    ASSERT_TRUE(world_->AwaitReplica(other, Key(kKeys), "v")) << world_->Output(other);
    const std::string size = std::to_string(world_->Engine(primary)->Do({"DBSIZE"})->integer);
    EXPECT_EQ(std::to_string(world_->Engine(other)->Do({"DBSIZE"})->integer), size);
    world_->KillAgent(other);
    world_->KillEngine(other);
    fs::remove_all(world_->Directory(other));
    world_->StartAgent(other);
    ASSERT_TRUE(world_->AwaitReplica(other, Key(kKeys), "v")) << world_->Output(other);
    EXPECT_EQ(std::to_string(world_->Engine(other)->Do({"DBSIZE"})->integer), size);
  }

  std::unique_ptr<AgentWorld> world_;
};

TEST_F(RecoverRedisTest, StoppedAgentsServeWhatTheLogHas) {
  ASSERT_NO_FATAL_FAILURE(Begin(/*keep_engines=*/false));
  const Epoch before = EpochNow(world_->cluster());
  KillAgents();
  ASSERT_NO_FATAL_FAILURE(LoseAllButOne(*world_));
  fs::remove_all(world_->Directory(1));  // One that knows of nothing, and one of old.
  world_->StartAllAgents();
  const auto primary = world_->AwaitPrimary();
  ASSERT_TRUE(primary.has_value()) << world_->Output(0);
  for (int i = 0; i < kKeys; ++i) {
    ASSERT_TRUE(Eventually([&] { return Ask({"GET", Key(i)}) == "v"; })) << i;
  }
  ExpectVoid(before, world_->cluster());
  ExpectTheSameEverywhere(*primary);
}

// The node that is left has not heard of the last writes, but the engines, which run on, have them.
class RecoverRunningRedisTest : public RecoverRedisTest {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(Begin(/*keep_engines=*/true));
    before_ = EpochNow(world_->cluster());
    world_->cluster().Signal(kLeft, SIGSTOP);
    ASSERT_NO_FATAL_FAILURE(SetAll(1'000, 1'050));
    const auto led = world_->AwaitPrimary();
    ASSERT_TRUE(led.has_value());
    led_ = *led;
    ASSERT_NO_FATAL_FAILURE(LoseAllButOne(*world_));
    for (size_t agent = 0; agent < world_->size(); ++agent) {
      EXPECT_EQ(world_->AwaitExit(agent), std::optional<int>(1)) << world_->Output(agent);
      EXPECT_THAT(world_->Output(agent), HasSubstr("its cluster was recovered: started again"));
      EXPECT_NE(world_->Engine(agent), nullptr) << "its engine goes on";
    }
  }
  // Starts it first, and then the other one, and expects all that the log has, and so many of the
  // writes that it has lost.
  void ExpectBehind(size_t first, int found) {
    world_->StartAgent(first);
    ASSERT_EQ(world_->AwaitPrimary(), std::optional<size_t>(first)) << world_->Output(first);
    for (int i = 0; i < kKeys; ++i) {
      ASSERT_TRUE(Eventually([&] { return Ask({"GET", Key(i)}) == "v"; })) << i;
    }
    for (int i = 1'000; i < 1'050; ++i) found -= Ask({"GET", Key(i)}) == "v" ? 1 : 0;
    EXPECT_EQ(found, 0);
    ExpectVoid(before_, world_->cluster());
    world_->StartAgent(1 - first);
    ExpectTheSameEverywhere(first);
  }

  Epoch before_;
  size_t led_ = 0;
};

TEST_F(RecoverRunningRedisTest, TheEngineThatLedBringsBackWhatTheLogHasLost) {
  ExpectBehind(led_, 50);
}

TEST_F(RecoverRunningRedisTest, BehindAnotherOneWhatTheLogHasLostIsLostInAllEngines) {
  ExpectBehind(1 - led_, 0);
}

// ---- memcached ----------------------------------------------------------------------------------

TEST(RecoverMemcachedTest, AViewOfTheOldLogIsRefusedAndANewOneIsBuilt) {
  MemcacheWorld world({.nodes = 3, .agents = 2});
  world.StartAllAgents();
  ASSERT_TRUE(world.AwaitAllServe()) << world.Output(0);
  for (int i = 0; i < kKeys; ++i) ASSERT_TRUE(StoreIn(world.Address(0), Key(i), "v")) << i;
  const Epoch before = EpochNow(world.cluster());
  for (size_t agent = 0; agent < world.size(); ++agent) {
    world.KillAgent(agent);
    world.KillEngine(agent);
  }
  ASSERT_NO_FATAL_FAILURE(LoseAllButOne(world));
  for (size_t agent = 0; agent < world.size(); ++agent) {
    world.StartAgent(agent);
    EXPECT_EQ(world.AwaitExit(agent), std::optional<int>(1)) << world.Output(agent);
    EXPECT_THAT(world.Output(agent), HasSubstr("a view of log "));
    EXPECT_THAT(world.Output(agent), HasSubstr("name another directory"));
  }
  fs::remove_all(world.Directory(0) + "/view");
  fs::remove_all(world.Directory(1));
  world.StartAllAgents();
  ASSERT_TRUE(world.AwaitAllServe()) << world.Output(0) << world.Output(1);
  for (size_t agent = 0; agent < world.size(); ++agent) {
    for (int i = 0; i < kKeys; ++i) EXPECT_EQ(GetFrom(world.Address(agent), Key(i)), "v") << i;
  }
  ExpectVoid(before, world.cluster());
  EXPECT_TRUE(StoreIn(world.Address(1), "new", "x"));
  EXPECT_TRUE(world.AwaitSameEngines());
}

TEST(RecoverMemcachedTest, AgentsThatRunThroughItEnd) {
  MemcacheWorld world({.nodes = 3, .agents = 2});
  world.StartAllAgents();
  ASSERT_TRUE(world.AwaitAllServe()) << world.Output(0);
  ASSERT_TRUE(StoreIn(world.Address(0), "k", "v"));
  ASSERT_NO_FATAL_FAILURE(LoseAllButOne(world));
  for (size_t agent = 0; agent < world.size(); ++agent) {
    EXPECT_EQ(world.AwaitExit(agent), std::optional<int>(1)) << world.Output(agent);
    EXPECT_THAT(world.Output(agent), HasSubstr("its cluster was recovered: started again"));
  }
}

}  // namespace
}  // namespace cairn::integration
