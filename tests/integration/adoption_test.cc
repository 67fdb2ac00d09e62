// Adoption, end to end: a Redis that has data becomes a cache, where it stands or while it serves
// elsewhere, and nothing that it acknowledged is missing.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <utility>

#include "cairn/client.h"
#include "cairn/lease_keeper.h"
#include "cairn/log.h"
#include "tests/integration/agent_world.h"
#include "tests/integration/process.h"
#include "tests/integration/stalling_link.h"

namespace cairn::integration {
namespace {

using ::testing::HasSubstr;

// With DEBUG, whose digest tells whether two engines hold the same.
constexpr char kEngine[] = "redis-server --enable-debug-command local";

class AdoptionTest : public ::testing::Test {
 protected:
  AdoptionTest() {
    std::filesystem::create_directory(dir_.File("store"));
    world_ = std::make_unique<AgentWorld>(
        AgentWorld::Options{.nodes = 1, .agents = 2, .flags = {"--engine-cmd", kEngine}});
  }

  // A Redis of somebody's, with data, that listens on `socket`.
  void StartRedis(const std::string& socket) {
    redis_.Start({.argv = {"/usr/bin/redis-server", "--port", "0", "--unixsocket", socket, "--dir",
                           dir_.path(), "--save", "", "--enable-debug-command", "local",
                           // Else it waits five seconds for more replicas before it dumps.
                           "--repl-diskless-sync-delay", "0"},
                  .environment = {},
                  .output = dir_.File("redis.out")});
    ASSERT_TRUE(Eventually([&] { return (client_ = EngineClient::Connect(socket)) != nullptr; }));
    for (const std::vector<std::string>& command :
         std::vector<std::vector<std::string>>{{"SET", "n", "5"},
                                               {"SADD", "set", "a", "b", "c"},
                                               {"SET", "late", "x", "PX", "3600000"},
                                               {"SELECT", "2"},
                                               {"SET", "big", std::string(3 << 20, 'b')},
                                               {"SELECT", "0"}}) {
      const auto reply = client_->Do(command);
      ASSERT_TRUE(reply && !reply->error());
    }
  }

  [[nodiscard]] std::string StoreUrl() const { return "file://" + dir_.File("store"); }

  void StartAgent(size_t agent, std::vector<std::string> flags = {}) {
    flags.insert(flags.end(), {"--store", StoreUrl()});
    world_->StartAgent(agent, flags);
  }

  // Follows the Redis of StartRedis, and waits for SIGUSR1.
  void StartAdopter() { StartAdopter(LiveSocket()); }
  void StartAdopter(const std::string& from) {
    adopter_.Start({.argv = {CAIRN_BIN_DIR "/cairn-agent", "adopt", "--log", "cache", "--endpoints",
                             world_->Endpoints(), "--store", StoreUrl(), "--from", "unix:" + from,
                             "--work-dir", dir_.path(), "-o", "json", "--log-level", "info"},
                    .environment = {},
                    .output = dir_.File("adopt.out")});
  }
  [[nodiscard]] std::string LiveSocket() const { return dir_.File("live.sock"); }
  [[nodiscard]] std::string Adopted() const { return ReadWholeFile(dir_.File("adopt.out")); }
  // It has the data, and tells the lag.
  [[nodiscard]] bool Follows() const { return Adopted().find("\"lag\"") != std::string::npos; }

  std::string Digest(size_t agent) {
    const auto engine = world_->Engine(agent);
    const auto reply = engine == nullptr ? std::nullopt : engine->Do({"DEBUG", "DIGEST"});
    return reply ? reply->text : "";
  }

  testing::TempDir dir_;
  std::unique_ptr<AgentWorld> world_;
  Process redis_;
  Process adopter_;
  std::unique_ptr<EngineClient> client_;
};

TEST_F(AdoptionTest, AnEngineInItsPlaceKeepsItsDataAndAnotherAgentGetsThem) {
  const std::string socket = world_->EngineSocket(0);
  std::filesystem::create_directories(std::filesystem::path(socket).parent_path());
  StartRedis(socket);
  StartAgent(0, {"--engine", "unix:" + socket, "--adopt", "true"});
  ASSERT_TRUE(Eventually([&] {
    return world_->Output(0).find("role: primary") != std::string::npos;
  })) << world_->Output(0);
  ASSERT_EQ(world_->Increment(0, "n"), std::optional<int64_t>(6)) << world_->Output(0);

  StartAgent(1);
  ASSERT_TRUE(world_->AwaitReplica(1, "n", "6")) << world_->Output(1);
  EXPECT_EQ(Digest(1), Digest(0));
  world_->KillAgent(0);
  ASSERT_EQ(world_->AwaitPrimary(0), std::optional<size_t>(1)) << world_->Output(1);
  EXPECT_EQ(world_->Increment(1, "n"), std::optional<int64_t>(7));
}

TEST_F(AdoptionTest, ALiveRedisIsCutOverWithoutLosingWhatItAcknowledged) {
  StartRedis(LiveSocket());
  StartAdopter();
  int64_t acknowledged = 5;
  // What it was refused with; empty when it was not.
  const auto increment = [&] {
    const auto reply = client_->Do({"INCR", "n"});
    if (reply && !reply->error()) acknowledged = reply->integer;
    return reply && reply->error() ? reply->text : "";
  };
  // Only then agents may come: before, one would be the primary.
  ASSERT_TRUE(Eventually([&] {
    increment();
    return Follows();
  })) << Adopted();
  StartAgent(0);
  StartAgent(1);
  ASSERT_TRUE(Eventually([&] {
    increment();
    const auto engine = world_->Engine(0);
    const auto got = engine == nullptr ? std::nullopt : engine->Do({"GET", "n"});
    return got && std::atoi(got->text.c_str()) > 5;
  })) << world_->Output(0);

  adopter_.Signal(SIGUSR1);
  std::string refusal;
  ASSERT_TRUE(Eventually([&] {
    refusal = increment();
    return !refusal.empty();
  })) << Adopted();
  EXPECT_THAT(refusal, HasSubstr("NOREPLICAS"));
  EXPECT_EQ(adopter_.AwaitExit(), std::optional<int>(0)) << Adopted();
  const std::optional<size_t> primary = world_->AwaitPrimary();
  ASSERT_TRUE(primary.has_value()) << world_->Output(0);
  EXPECT_EQ(world_->Increment(*primary, "n"), std::optional<int64_t>(acknowledged + 1))
      << Adopted();
  const auto engine = world_->Engine(*primary);
  EXPECT_EQ(engine->Do({"SELECT", "2"})->text, "OK");
  EXPECT_EQ(engine->Do({"STRLEN", "big"})->integer, 3 << 20);
}

// The pause of its writes is over before they are refused: what it acknowledges in between counts.
TEST_F(AdoptionTest, ALiveRedisThatStallsAtTheCutOverLosesNothing) {
  StartRedis(LiveSocket());
  EXPECT_EQ(client_->Do({"CONFIG", "SET", "min-replicas-max-lag", "0"})->text, "OK")
      << "which would let writes through";
  std::optional<adapter::redis::RespValue> meanwhile;
  // Answered when the pause is over.
  const StallingLink link(dir_.File("link.sock"), LiveSocket(), [&] {
    meanwhile = client_->Do({"INCR", "n"});
  });
  StartAdopter(dir_.File("link.sock"));
  ASSERT_TRUE(Eventually([&] { return Follows(); })) << Adopted();
  StartAgent(0);
  ASSERT_TRUE(world_->AwaitReplica(0, "n", "5")) << world_->Output(0);

  adopter_.Signal(SIGUSR1);
  EXPECT_EQ(adopter_.AwaitExit(), std::optional<int>(0)) << Adopted();
  ASSERT_TRUE(link.stalled());
  ASSERT_TRUE(meanwhile && !meanwhile->error());
  EXPECT_EQ(meanwhile->integer, 6);
  const auto late = client_->Do({"INCR", "n"});
  ASSERT_TRUE(late && late->error());
  EXPECT_THAT(late->text, HasSubstr("NOREPLICAS"));
  ASSERT_TRUE(world_->AwaitPrimary().has_value()) << world_->Output(0);
  EXPECT_EQ(world_->Increment(0, "n"), std::optional<int64_t>(7)) << Adopted();
}

TEST_F(AdoptionTest, AnEngineThatBeganWithNothingIsFilledWithWhatIsAdoptedLater) {
  ClientOptions options;
  options.endpoints = world_->cluster().Endpoints();
  const auto cluster = Client::Connect(options);
  ASSERT_TRUE(cluster.ok());
  OpenLogOptions open;
  open.create_if_missing = true;
  open.settings.fenced = true;
  const absl::StatusOr<Log> log = (*cluster)->OpenLog("cache", open);
  ASSERT_TRUE(log.ok());
  // Somebody is the primary, so that the agent follows: an empty log, with an empty engine.
  LeaseOptions held;
  held.holder = "some/body@127.0.0.1:1";
  const auto lease = LeaseKeeper::Acquire(*log, held);
  ASSERT_TRUE(lease.ok());
  StartAgent(1);
  ASSERT_TRUE(Eventually([&] {
    return world_->Output(1).find("role: follower") != std::string::npos;
  })) << world_->Output(1);
  world_->Signal(1, SIGSTOP);
  ASSERT_TRUE((*lease)->Release().ok());

  StartRedis(LiveSocket());
  StartAdopter();
  ASSERT_TRUE(Eventually([&] { return Follows(); })) << Adopted();
  world_->Signal(1, SIGCONT);
  EXPECT_TRUE(world_->AwaitReplica(1, "n", "5")) << world_->Output(1);
  EXPECT_THAT(world_->Output(1), HasSubstr("data were adopted as of record"));
}

TEST_F(AdoptionTest, AnAgentWithoutTheSnapshotServesNothingRatherThanHalfOfTheData) {
  StartRedis(LiveSocket());
  StartAdopter();
  ASSERT_TRUE(Eventually([&] { return Follows(); })) << Adopted();
  std::filesystem::create_directory(dir_.File("other"));
  world_->StartAgent(0, {"--store", "file://" + dir_.File("other")});
  EXPECT_TRUE(Eventually([&] {
    return world_->Output(0).find("began with data that were adopted") != std::string::npos;
  })) << world_->Output(0);
}

TEST_F(AdoptionTest, ALogThatHasDataTakesNoOthers) {
  StartAgent(0);
  ASSERT_EQ(world_->AwaitPrimary(), std::optional<size_t>(0)) << world_->Output(0);
  StartRedis(LiveSocket());
  StartAdopter();
  EXPECT_EQ(adopter_.AwaitExit(), std::optional<int>(1));
  EXPECT_THAT(Adopted(), HasSubstr("has data"));
  EXPECT_FALSE(client_->Do({"SET", "still", "writable"})->error());
}

}  // namespace
}  // namespace cairn::integration
