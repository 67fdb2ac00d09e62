// What clients of a memcached's agents see when the log takes nothing, or when an engine hangs that
// somebody else runs.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <memory>
#include <optional>
#include <string>

#include "tests/integration/memcache_world.h"
#include "tests/integration/plain_memcached.h"

namespace cairn::integration {
namespace {

using adapter::memcache::ReplyKind;

constexpr char kRefused[] = "SERVER_ERROR the log takes no records: nothing was done";
constexpr char kMissing[] = "END\r\n";

class MemcacheTroubleTest : public ::testing::Test {
 protected:
  // One agent, whose lease holds for as long as the test lasts.
  void Begin(std::vector<std::string> flags) {
    world_ = std::make_unique<MemcacheWorld>(
        MemcacheWorld::Options{.agents = 1, .ttl_ms = 60'000, .flags = std::move(flags)});
    world_->StartAllAgents();
    ASSERT_TRUE(world_->AwaitAllServe()) << world_->Output(0);
    client_ = world_->Client(0);
    ASSERT_EQ(client_->Set("before", "1"), "STORED");
  }
  void StopTheLog() { world_->cluster().Signal(0, SIGSTOP); }
  void LetTheLogGoOn() { world_->cluster().Signal(0, SIGCONT); }

  std::string Get(const std::string& key) {
    client_->Send("get " + key + "\r\n");
    return client_->Read(ReplyKind::kValues).value_or("no answer");
  }
  double Refused() { return world_->Metric(0, "cairn_agent_refused_total").value_or(-1); }
  // Changes are done again.
  void AwaitChanges() {
    EXPECT_TRUE(Eventually([&] { return client_->Set("after", "1") == "STORED"; }));
  }

  std::unique_ptr<MemcacheWorld> world_;
  std::unique_ptr<MemcacheClient> client_;
};

TEST_F(MemcacheTroubleTest, ALogThatTakesNothingIsToldInWriteThroughBeforeAnythingIsDone) {
  ASSERT_NO_FATAL_FAILURE(Begin({"--hold-timeout-ms", "500"}));
  StopTheLog();
  // The first has been given to the log.
  EXPECT_EQ(client_->Set("first", "1"),
            "SERVER_ERROR the log does not answer: it is unknown whether this will be done");
  EXPECT_EQ(client_->Set("second", "1"), kRefused);
  EXPECT_EQ(client_->Line("incr before 1"), kRefused);
  // Who wants no reply gets none, and whoever is only told of errors is told.
  ASSERT_TRUE(client_->Send("set silent 0 0 1 noreply\r\nx\r\nmn\r\n"));
  EXPECT_EQ(client_->Read(ReplyKind::kMetaGroup), "MN\r\n");
  ASSERT_TRUE(client_->Send("ms quiet 1 q\r\nx\r\nmn\r\n"));
  EXPECT_EQ(client_->Read(ReplyKind::kMetaGroup), std::string(kRefused) + "\r\nMN\r\n");
  EXPECT_EQ(Get("before"), "VALUE before 0 1\r\n1\r\nEND\r\n");
  EXPECT_TRUE(Eventually([&] { return Refused() == 4; })) << Refused();

  LetTheLogGoOn();
  AwaitChanges();
  EXPECT_EQ(Get("first second before silent quiet"),
            "VALUE first 0 1\r\n1\r\nVALUE before 0 1\r\n1\r\nEND\r\n");
}

// What stands behind a change of the same key that is held has not begun either.
TEST_F(MemcacheTroubleTest, WhatWaitsBehindAHeldChangeIsRefusedToo) {
  ASSERT_NO_FATAL_FAILURE(Begin({"--hold-timeout-ms", "500"}));
  const auto other = world_->Client(0);
  StopTheLog();
  ASSERT_TRUE(client_->Send("incr before 1\r\nincr before 1\r\n"));
  EXPECT_EQ(client_->Read(ReplyKind::kLine).value_or("none").substr(0, 35),
            "SERVER_ERROR the log does not answe");
  EXPECT_EQ(client_->Read(ReplyKind::kLine), std::string(kRefused) + "\r\n");
  LetTheLogGoOn();
  AwaitChanges();
  EXPECT_EQ(Get("before"), "VALUE before 0 1\r\n2\r\nEND\r\n");
}

TEST_F(MemcacheTroubleTest, InWriteBehindChangesGoOnUpToTheBoundAndAreRefusedAfterAWait) {
  ASSERT_NO_FATAL_FAILURE(
      Begin({"--mode", "write-behind", "--lag-ms", "300", "--hold-timeout-ms", "500"}));
  StopTheLog();
  ASSERT_EQ(client_->Set("first", "1"), "STORED");
  EXPECT_TRUE(Eventually(
      [&] { return world_->Metric(0, "cairn_agent_durability_lag_seconds").value_or(0) > 0.3; }));
  EXPECT_EQ(client_->Set("second", "1"), kRefused);
  EXPECT_EQ(Get("first"), "VALUE first 0 1\r\n1\r\nEND\r\n");
  LetTheLogGoOn();
  AwaitChanges();
  EXPECT_EQ(Get("first second"), "VALUE first 0 1\r\n1\r\nEND\r\n");
}

// The view has only what is committed: of a key that is ahead of the log it would give back what is
// gone.
TEST_F(MemcacheTroubleTest, InWriteBehindNothingComesBackFromTheViewThatWasDeletedSince) {
  ASSERT_NO_FATAL_FAILURE(Begin({"--mode", "write-behind", "--on-miss", "view"}));
  // A miss has it look in the view for both, which is there once they are committed.
  EXPECT_EQ(Get("before none"), "VALUE before 0 1\r\n1\r\nEND\r\n");
  StopTheLog();
  ASSERT_EQ(client_->Line("delete before"), "DELETED");
  ASSERT_TRUE(client_->Send("get before\r\nget other\r\n"));
  // A key that is not ahead need not wait.
  const auto second = world_->Client(0);
  ASSERT_TRUE(second->Send("get other\r\n"));
  EXPECT_EQ(second->Read(ReplyKind::kValues), kMissing);
  EXPECT_EQ(client_->unread(), "");
  LetTheLogGoOn();
  EXPECT_EQ(client_->Read(ReplyKind::kValues), kMissing);
  EXPECT_EQ(client_->Read(ReplyKind::kValues), kMissing);
}

// ---- An engine that somebody else runs ----------------------------------------------------------

// It cannot be ended. Its agent gives the lease away, and does not use it before it has answered
// all that it was told, so that nothing of it comes behind what the log says by then.
TEST(MemcacheAttachTest, AHangingEngineCostsTheLeaseAndComesBackWithWhatTheLogHas) {
  constexpr absl::Duration kPatience = absl::Seconds(60);
  MemcacheWorld world({.agents = 2, .flags = {"--hold-timeout-ms", "60000"}, .spare_ports = 1});
  PlainMemcached engine(world.SparePort(0), world.File("engine.log"));
  engine.Start();
  world.SetFirstFlags({"--engine", engine.address()});
  world.StartAgent(0);
  ASSERT_EQ(world.AwaitPrimary(), std::optional<size_t>(0)) << world.Output(0);
  world.StartAgent(1);
  ASSERT_TRUE(world.AwaitAllServe());
  ASSERT_EQ(world.Client(0)->Set("k", "old"), "STORED");

  const auto reader = MemcacheClient::Connect(world.Address(0), kPatience);
  const auto writer = MemcacheClient::Connect(world.Address(0), kPatience);
  engine.Signal(SIGSTOP);
  ASSERT_TRUE(reader->Send("get k\r\n"));
  ASSERT_TRUE(writer->Send("set late 0 0 1\r\nx\r\n"));
  ASSERT_EQ(world.AwaitPrimary(0), std::optional<size_t>(1)) << world.Output(0);
  // What only looks is asked again, of the next primary.
  EXPECT_EQ(reader->Read(ReplyKind::kValues), "VALUE k 0 3\r\nold\r\nEND\r\n");
  const std::string told = writer->Read(ReplyKind::kLine).value_or("none");
  const auto client = world.Client(1);
  if (told.starts_with("STORED")) {
    // A slow machine: the agent took it when its lease had gone, and passed it on.
    EXPECT_EQ(GetFrom(world.Address(1), "late"), "x");
  } else {
    EXPECT_THAT(told, ::testing::HasSubstr("unknown"));
  }
  ASSERT_EQ(client->Set("k", "new"), "STORED");
  ASSERT_EQ(client->Set("late", "new"), "STORED");

  engine.Signal(SIGCONT);
  ASSERT_TRUE(world.AwaitAllServe()) << world.Output(0);
  world.KillAgent(1);
  ASSERT_EQ(world.AwaitPrimary(1), std::optional<size_t>(0)) << world.Output(0);
  EXPECT_EQ(GetFrom(engine.address(), "k"), "new");
  EXPECT_EQ(GetFrom(engine.address(), "late"), "new");
}

}  // namespace
}  // namespace cairn::integration
