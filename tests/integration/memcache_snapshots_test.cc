// Snapshots of memcached caches, end to end: real agents, engines and a cluster; what `cairn-agent
// snapshot` and `restore` say and do, and what an agent makes of a log that was trimmed.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>

#include "tests/integration/memcache_tools.h"
#include "tests/integration/memcache_world.h"
#include "tests/integration/plain_memcached.h"

namespace cairn::integration {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

class MemcacheSnapshotsTest : public ::testing::Test {
 protected:
  // And waits until it serves.
  bool StartAgent(size_t agent) {
    world_.StartAgent(agent);
    return world_.AwaitServes(agent);
  }
  [[nodiscard]] std::string agent(size_t index) const { return world_.Address(index); }

  MemcacheWorld world_{{.agents = 2, .spare_ports = 1}};
  MemcacheTools tools_{world_};
};

int64_t InAnHour() {
  return std::chrono::system_clock::to_time_t(std::chrono::system_clock::now() +
                                              std::chrono::hours(1));
}

// Plain items, one with an end, one under a key with blanks, and one that is gone.
void StoreSome(const std::string& address) {
  ASSERT_TRUE(StoreIn(address, "text", "one"));
  ASSERT_TRUE(StoreIn(address, "late", "x", InAnHour()));
  ASSERT_EQ(AskMemcache(address, "ms a2V5IHdpdGggYmxhbmtz 3 b F7\r\nraw\r\n"), "HD\r\n");
  ASSERT_TRUE(StoreIn(address, "gone", "y"));
  ASSERT_EQ(AskMemcache(address, "delete gone\r\n"), "DELETED\r\n");
}

TEST_F(MemcacheSnapshotsTest, IsTakenOfTheLogAndTheNextBeginsWithIt) {
  ASSERT_TRUE(StartAgent(0)) << world_.Output(0);
  StoreSome(agent(0));
  const Json first = tools_.RunWell("snapshot", {});
  EXPECT_EQ(first["databases"], Json::parse(R"([{"number": 0, "keys": 3}])"));
  EXPECT_EQ(first.value("loaded_seq", 1), 0);
  EXPECT_EQ(first.value("digest", "").size(), 32u);
  EXPECT_TRUE(tools_.RunWell("snapshot", {}).value("unchanged", false));

  ASSERT_TRUE(StoreIn(agent(0), "text", "two"));
  const Json second = tools_.RunWell("snapshot", {});
  EXPECT_FALSE(second.value("unchanged", true));
  EXPECT_EQ(second["loaded_seq"], first["seq"]);
  EXPECT_NE(second["digest"], first["digest"]);
}

TEST_F(MemcacheSnapshotsTest, AnAgentWhoseViewFellBehindTheTrimBeginsAnewFromTheSnapshot) {
  ASSERT_TRUE(StartAgent(0)) << world_.Output(0);
  ASSERT_TRUE(StartAgent(1)) << world_.Output(1);
  StoreSome(agent(0));
  ASSERT_TRUE(Eventually([&] { return GetFrom(agent(1), "text") == "one"; }));
  world_.KillAgent(1);
  // The log of the agent that is down goes on without it, and is trimmed behind its back.
  ASSERT_TRUE(StoreIn(agent(0), "text", "two"));
  ASSERT_EQ(AskMemcache(agent(0), "delete late\r\n"), "DELETED\r\n");
  const Json snapshot = tools_.RunWell("snapshot", {"--trim", "keep-records=0"});
  EXPECT_GT(snapshot.value("log_first_seq", 0), 1);
  ASSERT_TRUE(StoreIn(agent(0), "behind", "three"));

  ASSERT_TRUE(StartAgent(1)) << world_.Output(1);
  ASSERT_TRUE(Eventually([&] {
    return world_.Output(1).find("loading the snapshot as of") != std::string::npos;
  })) << world_.Output(1);
  world_.KillAgent(0);
  // Now it answers from its own engine.
  ASSERT_TRUE(Eventually([&] { return GetFrom(agent(1), "behind") == "three"; }))
      << world_.Output(1);
  EXPECT_EQ(GetFrom(agent(1), "text"), "two");
  EXPECT_EQ(GetFrom(agent(1), "late"), std::nullopt);
  EXPECT_EQ(AskMemcache(agent(1), "mg a2V5IHdpdGggYmxhbmtz b f v\r\n", "raw\r\n"),
            "VA 3 f7\r\nraw\r\n");
  EXPECT_TRUE(StoreIn(agent(1), "text", "four"));
}

TEST_F(MemcacheSnapshotsTest, ARestoreIsAsOfTheRecordThatWasAskedFor) {
  ASSERT_TRUE(StartAgent(0)) << world_.Output(0);
  StoreSome(agent(0));
  const Json then = tools_.RunWell("restore", {"--commands", world_.File("then.txt")});
  EXPECT_EQ(then["databases"][0]["keys"], 3);
  ASSERT_EQ(AskMemcache(agent(0), "flush_all\r\n"), "OK\r\n");
  EXPECT_EQ(
      tools_.RunWell("restore", {"--commands", world_.File("now.txt")})["databases"][0]["keys"], 0);

  const std::string seq = std::to_string(then.value("seq", 0));
  const Json again =
      tools_.RunWell("restore", {"--at", seq, "--commands", world_.File("again.txt")});
  EXPECT_EQ(again["digest"], then["digest"]);
  const std::string commands = ReadWholeFile(world_.File("again.txt"));
  EXPECT_EQ(commands, ReadWholeFile(world_.File("then.txt")));

  // What the file is for: a memcached that reads it has the items.
  PlainMemcached reads(world_.SparePort(0), world_.File("reads.log"));
  reads.Start();
  AskMemcache(reads.address(), commands + "mn\r\n", "MN\r\n");
  EXPECT_EQ(GetFrom(reads.address(), "text"), "one");
  EXPECT_EQ(GetFrom(reads.address(), "late"), "x");

  const auto [output, status] = tools_.Run("restore", {"--commands", world_.File("now.txt")});
  EXPECT_EQ(status, 1) << output;
  EXPECT_THAT(output, HasSubstr("is there"));
}

TEST_F(MemcacheSnapshotsTest, AnEmptyMemcachedIsFilledAndNoOther) {
  ASSERT_TRUE(StartAgent(0)) << world_.Output(0);
  StoreSome(agent(0));
  PlainMemcached target(world_.SparePort(0), world_.File("target.log"));
  target.Start();
  const Json restored = tools_.RunWell("restore", {"--to", target.address()});
  EXPECT_EQ(restored["databases"][0]["keys"], 3);
  EXPECT_EQ(GetFrom(target.address(), "text"), "one");
  EXPECT_EQ(AskMemcache(target.address(), "mg a2V5IHdpdGggYmxhbmtz b f v\r\n", "raw\r\n"),
            "VA 3 f7\r\nraw\r\n");

  const auto [output, status] = tools_.Run("restore", {"--to", target.address()});
  EXPECT_EQ(status, 1) << output;
  EXPECT_THAT(output, HasSubstr("has 3 items"));
}

TEST_F(MemcacheSnapshotsTest, ALogOfNoCacheIsRefused) {
  ASSERT_TRUE(tools_.AppendTo("other", "no agent wrote this"))
      << ReadWholeFile(world_.File("cairn.out"));
  tools_.SetLog("other");
  const auto [output, status] = tools_.Run("snapshot", {});
  EXPECT_EQ(status, 1) << output;
  EXPECT_THAT(output, HasSubstr("the log of neither a Redis nor a memcached"));
}

TEST_F(MemcacheSnapshotsTest, ATargetOfTheOtherKindIsRefused) {
  ASSERT_TRUE(StartAgent(0)) << world_.Output(0);
  StoreSome(agent(0));
  const auto [output, status] = tools_.Run("restore", {"--rdb", world_.File("x.rdb")});
  EXPECT_EQ(status, 2) << output;
  EXPECT_THAT(output, HasSubstr("is of a memcached: expected one of the options commands and to"));
  EXPECT_FALSE(std::filesystem::exists(world_.File("x.rdb")));
}

}  // namespace
}  // namespace cairn::integration
