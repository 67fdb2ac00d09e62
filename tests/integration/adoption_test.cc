// Adoption, end to end: a Redis that has data becomes a cache, where it stands or while it serves
// elsewhere, and nothing that it acknowledged is missing.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "tests/integration/agent_world.h"
#include "tests/integration/process.h"

namespace cairn::integration {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

// With DEBUG, whose digest tells whether two engines hold the same.
constexpr char kEngine[] = "redis-server --enable-debug-command local";

class AdoptionTest : public ::testing::Test {
 protected:
  AdoptionTest() {
    std::filesystem::create_directory(dir_.File("store"));
    world_ = std::make_unique<AgentWorld>(AgentWorld::Options{
        .nodes = 1,
        .agents = 2,
        .flags = {"--engine-cmd", kEngine, "--store", "file://" + dir_.File("store")}});
  }

  // A Redis of somebody's, with data, that listens on `socket`.
  void StartRedis(const std::string& socket) {
    redis_.Start({.argv = {"/usr/bin/redis-server", "--port", "0", "--unixsocket", socket, "--save",
                           "", "--enable-debug-command", "local"},
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

  std::string Digest(size_t agent) {
    const auto engine = world_->Engine(agent);
    const auto reply = engine == nullptr ? std::nullopt : engine->Do({"DEBUG", "DIGEST"});
    return reply ? reply->text : "";
  }

  testing::TempDir dir_;
  std::unique_ptr<AgentWorld> world_;
  Process redis_;
  std::unique_ptr<EngineClient> client_;
};

TEST_F(AdoptionTest, AnEngineInItsPlaceKeepsItsDataAndAnotherAgentGetsThem) {
  const std::string socket = world_->EngineSocket(0);
  std::filesystem::create_directories(std::filesystem::path(socket).parent_path());
  StartRedis(socket);
  world_->StartAgent(0, {"--engine", "unix:" + socket, "--adopt", "true"});
  ASSERT_TRUE(Eventually([&] {
    return world_->Output(0).find("role: primary") != std::string::npos;
  })) << world_->Output(0);
  ASSERT_EQ(world_->Increment(0, "n"), std::optional<int64_t>(6)) << world_->Output(0);

  world_->StartAgent(1);
  ASSERT_TRUE(world_->AwaitReplica(1, "n", "6")) << world_->Output(1);
  EXPECT_EQ(Digest(1), Digest(0));
  world_->KillAgent(0);
  ASSERT_EQ(world_->AwaitPrimary(0), std::optional<size_t>(1)) << world_->Output(1);
  EXPECT_EQ(world_->Increment(1, "n"), std::optional<int64_t>(7));
}

TEST_F(AdoptionTest, ALiveRedisIsCutOverWithoutLosingWhatItAcknowledged) {
  const std::string socket = dir_.File("live.sock");
  StartRedis(socket);
  Process adopter;
  const std::string output = dir_.File("adopt.out");
  adopter.Start({.argv = {CAIRN_BIN_DIR "/cairn-agent", "adopt", "--log", "cache", "--endpoints",
                          world_->Endpoints(), "--store", "file://" + dir_.File("store"), "--from",
                          "unix:" + socket, "-o", "json", "--log-level", "info"},
                 .environment = {},
                 .output = output});
  // It follows: the lag is told. Only then agents may come; before, one would be the primary.
  int64_t acknowledged = 5;
  const auto increment = [&] {
    const auto reply = client_->Do({"INCR", "n"});
    if (reply && !reply->error()) acknowledged = reply->integer;
    return reply && reply->error() ? reply->text : "";
  };
  ASSERT_TRUE(Eventually([&] {
    increment();
    return ReadWholeFile(output).find("\"lag\"") != std::string::npos;
  })) << ReadWholeFile(output);
  world_->StartAllAgents();
  ASSERT_TRUE(Eventually([&] {
    increment();
    const auto engine = world_->Engine(0);
    const auto got = engine == nullptr ? std::nullopt : engine->Do({"GET", "n"});
    return got && std::atoi(got->text.c_str()) > 5;
  })) << world_->Output(0);

  adopter.Signal(SIGUSR1);
  std::string refusal;
  ASSERT_TRUE(Eventually([&] {
    refusal = increment();
    return !refusal.empty();
  })) << ReadWholeFile(output);
  EXPECT_THAT(refusal, HasSubstr("NOREPLICAS"));
  EXPECT_EQ(adopter.AwaitExit(), std::optional<int>(0)) << ReadWholeFile(output);
  const std::optional<size_t> primary = world_->AwaitPrimary();
  ASSERT_TRUE(primary.has_value()) << world_->Output(0);
  EXPECT_EQ(world_->Increment(*primary, "n"), std::optional<int64_t>(acknowledged + 1))
      << ReadWholeFile(output);
  const auto engine = world_->Engine(*primary);
  EXPECT_EQ(engine->Do({"SELECT", "2"})->text, "OK");
  EXPECT_EQ(engine->Do({"STRLEN", "big"})->integer, 3 << 20);
}

TEST_F(AdoptionTest, ALogThatHasDataTakesNoOthers) {
  world_->StartAgent(0);
  ASSERT_EQ(world_->AwaitPrimary(), std::optional<size_t>(0)) << world_->Output(0);
  const std::string socket = dir_.File("live.sock");
  StartRedis(socket);
  Process adopter;
  const std::string output = dir_.File("adopt.out");
  adopter.Start({.argv = {CAIRN_BIN_DIR "/cairn-agent", "adopt", "--log", "cache", "--endpoints",
                          world_->Endpoints(), "--store", "file://" + dir_.File("store"), "--from",
                          "unix:" + socket},
                 .environment = {},
                 .output = output});
  EXPECT_EQ(adopter.AwaitExit(), std::optional<int>(1));
  EXPECT_THAT(ReadWholeFile(output), HasSubstr("has data"));
  EXPECT_FALSE(client_->Do({"SET", "still", "writable"})->error());
}

}  // namespace
}  // namespace cairn::integration
