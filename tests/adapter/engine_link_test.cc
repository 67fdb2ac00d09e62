// EngineLink and EngineFacts: commands to a real engine, and what it says of itself.
#include "adapter/redis/engine_link.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <string>
#include <utility>
#include <vector>

#include "adapter/redis/engine_facts.h"
#include "tests/adapter/engine_fixture.h"

namespace cairn::adapter::redis {
namespace {

TEST(EngineAddressTest, IsReadAndPrinted) {
  struct Case {
    std::string text;
    std::string printed;  // Empty: refused.
  };
  const std::vector<Case> cases = {
      {"unix:/run/engine.sock", "unix:/run/engine.sock"},
      {"127.0.0.1:6379", "127.0.0.1:6379"},
      {"localhost:6380", "localhost:6380"},
      {"[::1]:6379", "[::1]:6379"},
      {"unix:", ""},
      {"unix:/" + std::string(200, 'x'), ""},
      {"engine.example:6379", "engine.example:6379"},
      {"127.0.0.1", ""},
      {"127.0.0.1:", ""},
      {"127.0.0.1:0", ""},
      {"127.0.0.1:65536", ""},
      {":6379", ""},
  };
  for (const Case& c : cases) {
    const absl::StatusOr<EngineAddress> address = ParseEngineAddress(c.text);
    ASSERT_EQ(address.ok(), !c.printed.empty()) << c.text;
    if (address.ok()) {
      EXPECT_EQ(address->ToString(), c.printed);
    }
  }
}

TEST(EngineLinkTest, AnswersOverlappingCallsInTheirOrder) {
  EngineWorld world;
  TestEngine engine(&world, "a");
  std::vector<int64_t> replies;
  for (int i = 0; i < 1000; ++i) {
    const auto call = [](EngineLink* link, std::vector<int64_t>* out) -> asio::awaitable<void> {
      std::vector<std::string> argv = Argv("INCR", "n");
      const absl::StatusOr<RespValue> reply = co_await link->Call(std::move(argv), kCallPatience);
      out->push_back(reply.ok() ? reply->integer : -1);
    };
    Spawn(world.executor(), call(engine.link(), &replies));
  }
  ASSERT_TRUE(world.Until([&] { return replies.size() == 1000; }));
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(replies[i], i + 1);
}

TEST(EngineLinkTest, TellsAnErrorReplyFromABrokenConnection) {
  EngineWorld world;
  TestEngine engine(&world, "a");
  EXPECT_TRUE(engine.Do({"NO-SUCH-COMMAND"}).error());
  const auto refused =
      world.Run(engine.link()->CallOk({"CONFIG", "SET", "none", "1"}, kCallPatience));
  EXPECT_TRUE(absl::IsFailedPrecondition(refused.status())) << refused.status();
  EXPECT_TRUE(engine.link()->connected());
  engine.process()->Kill();
  EXPECT_TRUE(world.Until([&] { return !engine.link()->connected(); }));
  // Its connections end before the socket that it listens on.
  ASSERT_TRUE(world.Run(engine.process()->WaitForEnd(kCallPatience)));
  const auto reply = world.Run(engine.link()->Call({"PING"}, kCallPatience));
  EXPECT_TRUE(absl::IsUnavailable(reply.status())) << reply.status();
  EXPECT_TRUE(absl::IsUnavailable(world.Run(engine.link()->Connect(kCallPatience))));
}

TEST(EngineLinkTest, WhatABusyEngineRefusesPasses) {
  EngineWorld world;
  TestEngine engine(&world, "a");
  engine.Do({"CONFIG", "SET", "lua-time-limit", "10"});
  EngineLink looping(world.executor(), engine.address());
  ASSERT_TRUE(world.Run(looping.Connect(kCallPatience)).ok());
  bool ended = false;
  const auto loop = [](EngineLink* link, bool* done) -> asio::awaitable<void> {
    std::vector<std::string> eval = Argv("EVAL", "while true do end", "0");
    (void)co_await link->Call(std::move(eval), kCallPatience);
    *done = true;
  };
  Spawn(world.executor(), loop(&looping, &ended));
  ASSERT_TRUE(world.Until([&] { return engine.Ask({"PING"}).starts_with("BUSY "); }));
  const auto refused = world.Run(engine.link()->CallOk({"GET", "k"}, kCallPatience));
  EXPECT_TRUE(absl::IsUnavailable(refused.status())) << refused.status();
  EXPECT_EQ(engine.Ask({"SCRIPT", "KILL"}), "OK");
  EXPECT_TRUE(world.Until([&] { return ended; }));
}

TEST(EngineLinkTest, AnEngineThatHangsEndsTheConnection) {
  EngineWorld world;
  TestEngine engine(&world, "a");
  engine.Signal(SIGSTOP);
  const auto reply = world.Run(engine.link()->Call({"PING"}, Millis(50)));
  EXPECT_TRUE(absl::IsDeadlineExceeded(reply.status())) << reply.status();
  EXPECT_FALSE(engine.link()->connected());
  engine.Signal(SIGCONT);
  ASSERT_TRUE(world.Run(engine.link()->Connect(kCallPatience)).ok());
  EXPECT_EQ(engine.Ask({"PING"}), "PONG");
}

TEST(EngineLinkTest, LogsIn) {
  EngineWorld world;
  TestEngine engine(&world, "a");
  engine.Do({"ACL", "SETUSER", "agent", "on", ">right", "~*", "+@all"});
  EngineAddress address = engine.address();
  address.user = "agent";
  address.password = "right";
  EngineLink link(world.executor(), address);
  ASSERT_TRUE(world.Run(link.Connect(kCallPatience)).ok());
  EXPECT_EQ(world.Run(link.Call({"ACL", "WHOAMI"}, kCallPatience))->text, "agent");
  address.password = "wrong";
  EngineLink other(world.executor(), address);
  EXPECT_TRUE(absl::IsPermissionDenied(world.Run(other.Connect(kCallPatience))));
  EXPECT_FALSE(other.connected());
}

constexpr std::string_view kInfo =
    "# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\n"
    "process_id:42\r\nrun_id:r1\r\n# Persistence\r\nloading:1\r\n# Replication\r\nrole:slave\r\n"
    "master_host:127.0.0.1\r\nmaster_port:4711\r\nmaster_link_status:up\r\nmaster_replid:h1\r\n"
    "master_replid2:h0\r\nmaster_repl_offset:12\r\nsecond_repl_offset:8\r\n# Keyspace\r\n"
    "db3:keys=1,expires=0,avg_ttl=0\r\n";

TEST(EngineFactsTest, ReadsWhatAnEngineSays) {
  const absl::StatusOr<EngineFacts> facts = ParseEngineFacts(kInfo);
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->kind, "valkey");
  EXPECT_EQ(facts->version, "8.0.1");
  EXPECT_EQ(facts->version_number, 8'000'001U);
  EXPECT_EQ(facts->pid, 42);
  EXPECT_TRUE(facts->loading);
  EXPECT_TRUE(facts->has_data);
  EXPECT_FALSE(facts->primary);
  EXPECT_TRUE(facts->link_up);
  EXPECT_EQ(facts->primary_port, 4711);
  EXPECT_EQ(facts->place(), (StreamPlace{"h1", StreamOffset(12)}));
  EXPECT_EQ(facts->former_replid, "h0");
  EXPECT_EQ(facts->former_end, StreamOffset(7));
}

TEST(EngineFactsTest, NamesTheFieldThatIsMissing) {
  for (const std::string_view field : {"run_id", "role", "master_repl_offset", "master_port"}) {
    std::string info(kInfo);
    info.replace(info.find("\r\n" + std::string(field)) + 2, 1, "x");
    const absl::StatusOr<EngineFacts> facts = ParseEngineFacts(info);
    EXPECT_TRUE(absl::IsInvalidArgument(facts.status()));
    EXPECT_NE(std::string(facts.status().message()).find(field), std::string::npos) << field;
  }
}

TEST(EngineFactsTest, OfAFreshEngine) {
  EngineWorld world;
  TestEngine engine(&world, "a");
  const EngineFacts fresh = engine.Facts();
  EXPECT_EQ(fresh.kind, "redis");
  EXPECT_GE(fresh.version_number, 6'002'000U);
  EXPECT_EQ(fresh.pid, engine.process()->pid());
  EXPECT_TRUE(fresh.primary);
  EXPECT_FALSE(fresh.has_data);
  EXPECT_EQ(fresh.offset, StreamOffset());
  engine.Do({"SET", "k", "v"});
  EXPECT_TRUE(engine.Facts().has_data);
  // The trap that the header tells of.
  EXPECT_EQ(engine.Facts().offset, StreamOffset());
}

}  // namespace
}  // namespace cairn::adapter::redis
