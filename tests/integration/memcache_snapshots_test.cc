// Snapshots of memcached caches, end to end: real agents, engines and a cluster; what `cairn-agent
// snapshot` and `restore` say and do, and what an agent makes of a log that was trimmed.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>

#include "tests/integration/memcache_lab.h"

namespace cairn::integration {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

class MemcacheSnapshotsTest : public ::testing::Test {
 protected:
  MemcacheLab lab_{2};
};

int64_t InAnHour() {
  return std::chrono::system_clock::to_time_t(std::chrono::system_clock::now() +
                                              std::chrono::hours(1));
}

// Plain items, one with an end, one under a key with blanks, and one that is gone.
void StoreSome(int port) {
  ASSERT_TRUE(StoreIn(port, "text", "one"));
  ASSERT_TRUE(StoreIn(port, "late", "x", InAnHour()));
  ASSERT_EQ(AskMemcache(port, "ms a2V5IHdpdGggYmxhbmtz 3 b F7\r\nraw\r\n"), "HD\r\n");
  ASSERT_TRUE(StoreIn(port, "gone", "y"));
  ASSERT_EQ(AskMemcache(port, "delete gone\r\n"), "DELETED\r\n");
}

TEST_F(MemcacheSnapshotsTest, IsTakenOfTheLogAndTheNextBeginsWithIt) {
  ASSERT_TRUE(lab_.StartAgent(0)) << lab_.Output(0);
  StoreSome(lab_.port(0));
  const Json first = lab_.Tool("snapshot", {});
  EXPECT_EQ(first["databases"], Json::parse(R"([{"number": 0, "keys": 3}])"));
  EXPECT_EQ(first.value("loaded_seq", 1), 0);
  EXPECT_EQ(first.value("digest", "").size(), 32u);
  EXPECT_TRUE(lab_.Tool("snapshot", {}).value("unchanged", false));

  ASSERT_TRUE(StoreIn(lab_.port(0), "text", "two"));
  const Json second = lab_.Tool("snapshot", {});
  EXPECT_FALSE(second.value("unchanged", true));
  EXPECT_EQ(second["loaded_seq"], first["seq"]);
  EXPECT_NE(second["digest"], first["digest"]);
}

TEST_F(MemcacheSnapshotsTest, AnAgentWhoseViewFellBehindTheTrimBeginsAnewFromTheSnapshot) {
  ASSERT_TRUE(lab_.StartAgent(0)) << lab_.Output(0);
  ASSERT_TRUE(lab_.StartAgent(1)) << lab_.Output(1);
  StoreSome(lab_.port(0));
  ASSERT_TRUE(Eventually([&] { return GetFrom(lab_.port(1), "text") == "one"; }));
  lab_.KillAgent(1);
  // The log of the agent that is down goes on without it, and is trimmed behind its back.
  ASSERT_TRUE(StoreIn(lab_.port(0), "text", "two"));
  ASSERT_EQ(AskMemcache(lab_.port(0), "delete late\r\n"), "DELETED\r\n");
  const Json snapshot = lab_.Tool("snapshot", {"--trim", "keep-records=0"});
  EXPECT_GT(snapshot.value("log_first_seq", 0), 1);
  ASSERT_TRUE(StoreIn(lab_.port(0), "behind", "three"));

  ASSERT_TRUE(lab_.StartAgent(1)) << lab_.Output(1);
  ASSERT_TRUE(Eventually([&] {
    return lab_.Output(1).find("loading the snapshot as of") != std::string::npos;
  })) << lab_.Output(1);
  lab_.KillAgent(0);
  // Now it answers from its own engine.
  ASSERT_TRUE(Eventually([&] { return GetFrom(lab_.port(1), "behind") == "three"; }))
      << lab_.Output(1);
  EXPECT_EQ(GetFrom(lab_.port(1), "text"), "two");
  EXPECT_EQ(GetFrom(lab_.port(1), "late"), std::nullopt);
  EXPECT_EQ(AskMemcache(lab_.port(1), "mg a2V5IHdpdGggYmxhbmtz b f v\r\n", "raw\r\n"),
            "VA 3 f7\r\nraw\r\n");
  EXPECT_TRUE(StoreIn(lab_.port(1), "text", "four"));
}

TEST_F(MemcacheSnapshotsTest, ARestoreIsAsOfTheRecordThatWasAskedFor) {
  ASSERT_TRUE(lab_.StartAgent(0)) << lab_.Output(0);
  StoreSome(lab_.port(0));
  const Json then = lab_.Tool("restore", {"--commands", lab_.File("then.txt")});
  EXPECT_EQ(then["databases"][0]["keys"], 3);
  ASSERT_EQ(AskMemcache(lab_.port(0), "flush_all\r\n"), "OK\r\n");
  EXPECT_EQ(lab_.Tool("restore", {"--commands", lab_.File("now.txt")})["databases"][0]["keys"], 0);

  const std::string seq = std::to_string(then.value("seq", 0));
  const Json again = lab_.Tool("restore", {"--at", seq, "--commands", lab_.File("again.txt")});
  EXPECT_EQ(again["digest"], then["digest"]);
  const std::string commands = ReadWholeFile(lab_.File("again.txt"));
  EXPECT_EQ(commands, ReadWholeFile(lab_.File("then.txt")));

  // What the file is for: a memcached that reads it has the items.
  PlainMemcached reads(lab_.SparePort(0), lab_.File("reads.log"));
  reads.Start();
  AskMemcache(reads.port(), commands + "mn\r\n", "MN\r\n");
  EXPECT_EQ(GetFrom(reads.port(), "text"), "one");
  EXPECT_EQ(GetFrom(reads.port(), "late"), "x");

  const auto [output, status] = lab_.RunTool("restore", {"--commands", lab_.File("now.txt")});
  EXPECT_EQ(status, 1) << output;
  EXPECT_THAT(output, HasSubstr("is there"));
}

TEST_F(MemcacheSnapshotsTest, AnEmptyMemcachedIsFilledAndNoOther) {
  ASSERT_TRUE(lab_.StartAgent(0)) << lab_.Output(0);
  StoreSome(lab_.port(0));
  PlainMemcached target(lab_.SparePort(0), lab_.File("target.log"));
  target.Start();
  const Json restored = lab_.Tool("restore", {"--to", target.address()});
  EXPECT_EQ(restored["databases"][0]["keys"], 3);
  EXPECT_EQ(GetFrom(target.port(), "text"), "one");
  EXPECT_EQ(AskMemcache(target.port(), "mg a2V5IHdpdGggYmxhbmtz b f v\r\n", "raw\r\n"),
            "VA 3 f7\r\nraw\r\n");

  const auto [output, status] = lab_.RunTool("restore", {"--to", target.address()});
  EXPECT_EQ(status, 1) << output;
  EXPECT_THAT(output, HasSubstr("has 3 items"));
}

TEST_F(MemcacheSnapshotsTest, ALogOfNoCacheIsRefused) {
  ASSERT_TRUE(lab_.AppendTo("other", "no agent wrote this"))
      << ReadWholeFile(lab_.File("cairn.out"));
  lab_.SetLog("other");
  const auto [output, status] = lab_.RunTool("snapshot", {});
  EXPECT_EQ(status, 1) << output;
  EXPECT_THAT(output, HasSubstr("the log of neither a Redis nor a memcached"));
}

TEST_F(MemcacheSnapshotsTest, ATargetOfTheOtherKindIsRefused) {
  ASSERT_TRUE(lab_.StartAgent(0)) << lab_.Output(0);
  StoreSome(lab_.port(0));
  const auto [output, status] = lab_.RunTool("restore", {"--rdb", lab_.File("x.rdb")});
  EXPECT_EQ(status, 2) << output;
  EXPECT_THAT(output, HasSubstr("is of a memcached: expected one of the options commands and to"));
  EXPECT_FALSE(std::filesystem::exists(lab_.File("x.rdb")));
}

}  // namespace
}  // namespace cairn::integration
