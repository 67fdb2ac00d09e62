// Snapshots of caches, end to end: real agents, engines and a cluster; what `cairn-agent snapshot`
// and `cairn-agent restore` say and do, and what an agent makes of a log that was trimmed.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "tests/integration/agent_world.h"
#include "tests/integration/process.h"
#include "tests/storage/objects/s3rver.h"

namespace cairn::integration {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Json = nlohmann::json;

// With DEBUG, whose digest tells whether two engines hold the same.
constexpr char kEngine[] = "redis-server --enable-debug-command local";

class SnapshotsTest : public ::testing::Test {
 protected:
  SnapshotsTest() : store_url_("file://" + dir_.File("store")) {
    std::filesystem::create_directory(dir_.File("store"));
  }

  void MakeWorld(size_t agents, bool with_store = true) {
    AgentWorld::Options options{.nodes = 1, .agents = agents, .flags = {"--engine-cmd", kEngine}};
    if (with_store) options.flags.insert(options.flags.end(), {"--store", store_url_});
    world_ = std::make_unique<AgentWorld>(options);
  }

  void StartPrimary(size_t agent) {
    world_->StartAgent(agent);
    ASSERT_EQ(world_->AwaitPrimary(), std::optional<size_t>(agent)) << world_->Output(agent);
  }

  [[nodiscard]] std::vector<std::string> ToolCommand(const std::string& tool,
                                                     std::vector<std::string> flags) const {
    std::vector<std::string> argv = {CAIRN_BIN_DIR "/cairn-agent",
                                     tool,
                                     "--log",
                                     "cache",
                                     "--endpoints",
                                     world_->Endpoints(),
                                     "--store",
                                     store_url_,
                                     "--work-dir",
                                     dir_.path(),
                                     "-o",
                                     "json"};
    argv.insert(argv.end(), flags.begin(), flags.end());
    return argv;
  }

  // What it printed, and its exit status.
  std::pair<std::string, int> RunTool(const std::string& tool, std::vector<std::string> flags) {
    Process process;
    const std::string output = dir_.File(fmt::format("tool{}.out", ++tools_));
    process.Start(
        {.argv = ToolCommand(tool, std::move(flags)), .environment = {}, .output = output});
    const std::optional<int> status = process.AwaitExit();
    return {ReadWholeFile(output), status.value_or(-1)};
  }

  // The result's object, which is the last line; empty when it failed.
  Json Tool(const std::string& tool, std::vector<std::string> flags) {
    const auto [output, status] = RunTool(tool, std::move(flags));
    EXPECT_EQ(status, 0) << output;
    if (status != 0) return Json::object();
    const size_t end = output.find_last_not_of('\n');
    const size_t begin = output.rfind('\n', end);
    return Json::parse(output.substr(begin == std::string::npos ? 0 : begin + 1));
  }

  // Answered without an error, and committed.
  void Write(size_t agent, const std::vector<std::vector<std::string>>& commands) {
    const auto engine = world_->Engine(agent);
    ASSERT_NE(engine, nullptr);
    for (const auto& command : commands) {
      const auto reply = engine->Do(command);
      ASSERT_TRUE(reply && !reply->error()) << command.front();
    }
    const auto acked = engine->Do({"WAIT", "1", "20000"});
    ASSERT_TRUE(acked && acked->integer == 1) << world_->Output(agent);
  }

  std::string Digest(size_t agent) {
    const auto engine = world_->Engine(agent);
    const auto reply = engine == nullptr ? std::nullopt : engine->Do({"DEBUG", "DIGEST"});
    return reply ? reply->text : "";
  }

  testing::TempDir dir_;
  std::string store_url_;
  std::unique_ptr<AgentWorld> world_;
  int tools_ = 0;
};

// Several types and databases, a key with a time to live, effects that are not the commands, and a
// value that is larger than a record.
std::vector<std::vector<std::string>> SomeData() {
  return {{"SET", "text", "one"},
          {"SET", "n", "0"},
          {"SADD", "set", "a", "b", "c", "d"},
          {"SPOP", "set"},
          {"HSET", "hash", "f", "1", "g", "2"},
          {"ZADD", "zset", "1", "a", "2", "b"},
          {"XADD", "stream", "*", "k", "v"},
          {"SET", "late", "x", "PX", "3600000"},
          {"EVAL", "redis.call('SET', KEYS[1], 'by script')", "1", "scripted"},
          {"SET", "big", std::string(10 << 20, 'b')},
          {"SELECT", "3"},
          {"RPUSH", "list", "1", "2", "3"},
          {"SELECT", "0"}};
}

TEST_F(SnapshotsTest, IsTakenWithWhatThePrimaryHoldsAndTheNextBeginsWithIt) {
  MakeWorld(1);
  StartPrimary(0);
  Write(0, SomeData());
  const Json first = Tool("snapshot", {});
  EXPECT_EQ(first.value("digest", ""), Digest(0));
  EXPECT_EQ(first["databases"], Json::parse(R"([{"number": 0, "keys": 9},
                                               {"number": 3, "keys": 1}])"));
  EXPECT_EQ(first.value("loaded_seq", 1), 0);

  EXPECT_TRUE(Tool("snapshot", {}).value("unchanged", false));
  Write(0, {{"SET", "text", "two"}, {"DEL", "hash"}});
  const Json second = Tool("snapshot", {});
  EXPECT_FALSE(second.value("unchanged", true));
  EXPECT_EQ(second["loaded_seq"], first["seq"]);
  EXPECT_EQ(second.value("digest", ""), Digest(0));
}

TEST_F(SnapshotsTest, AnEmptyAgentJoinsATrimmedLogAndCanTakeOver) {
  MakeWorld(2);
  StartPrimary(0);
  Write(0, SomeData());
  ASSERT_EQ(world_->Increment(0, "n"), std::optional<int64_t>(1));
  const Json snapshot = Tool("snapshot", {"--trim", "keep-records=0"});
  EXPECT_GT(snapshot.value("log_first_seq", 0), 1);
  ASSERT_EQ(world_->Increment(0, "n"), std::optional<int64_t>(2));

  world_->StartAgent(1);
  ASSERT_TRUE(world_->AwaitReplica(1, "n", "2")) << world_->Output(1);
  EXPECT_EQ(Digest(1), Digest(0));
  world_->KillAgent(0);
  ASSERT_EQ(world_->AwaitPrimary(0), std::optional<size_t>(1)) << world_->Output(1);
  EXPECT_EQ(world_->Increment(1, "n"), std::optional<int64_t>(3));

  // The old one, too, whatever its memory was.
  world_->StartAgent(0);
  EXPECT_TRUE(world_->AwaitReplica(0, "n", "3")) << world_->Output(0);
}

TEST_F(SnapshotsTest, WithoutAStoreATrimmedLogIsToldOnceAndNothingGoesRoundInCircles) {
  MakeWorld(2, /*with_store=*/false);
  StartPrimary(0);
  Write(0, SomeData());
  Tool("snapshot", {"--trim", "keep-records=0"});
  world_->StartAgent(1);
  // Its engine asks again and again.
  const auto asked = [&](const std::string& what) {
    size_t count = 0;
    const std::string output = world_->Output(1);
    for (size_t at = output.find(what); at != std::string::npos; at = output.find(what, at + 1)) {
      ++count;
    }
    return count;
  };
  ASSERT_TRUE(Eventually([&] { return asked("Trying a partial resynchronization") >= 3; }) ||
              asked("Partial resynchronization not possible") >= 3)
      << world_->Output(1);
  EXPECT_EQ(asked("the engine cannot be filled"), 1u) << world_->Output(1);
  EXPECT_EQ(asked("order: resync"), 1u) << world_->Output(1);
  EXPECT_THAT(world_->Output(1), HasSubstr("--store"));
}

TEST_F(SnapshotsTest, ARestoreIsAsOfTheRecordThatWasAskedFor) {
  MakeWorld(1);
  StartPrimary(0);
  Write(0, SomeData());
  const Json before = Tool("snapshot", {});
  Write(0, {{"SET", "text", "two"}});
  const std::string wanted = Digest(0);
  const Json end = Tool("restore", {"--rdb", dir_.File("now.rdb")});
  EXPECT_EQ(end.value("digest", ""), wanted);
  Write(0, {{"FLUSHALL"}});

  const std::string seq = std::to_string(end.value("seq", 0));
  const Json again = Tool("restore", {"--at", seq, "--data-dir", dir_.File("cache")});
  EXPECT_EQ(again.value("digest", ""), wanted);
  EXPECT_EQ(again["loaded_seq"], before["seq"]);
  EXPECT_TRUE(std::filesystem::exists(dir_.File("cache/dump.rdb")));
  const Json oldest = Tool("restore", {"--at", "2000-01-01", "--rdb", dir_.File("first.rdb")});
  EXPECT_THAT(oldest["databases"], IsEmpty());
  EXPECT_EQ(oldest.value("seq", 1), 0);
  const Json newest = Tool("restore", {"--at", "2100-01-01", "--rdb", dir_.File("last.rdb")});
  EXPECT_EQ(newest.value("digest", ""), Digest(0));
  EXPECT_GT(newest["seq"], end["seq"]);

  // Nothing is overwritten, and a file that is not whole has no name.
  const auto [output, status] = RunTool("restore", {"--rdb", dir_.File("now.rdb")});
  EXPECT_EQ(status, 1) << output;
  EXPECT_THAT(output, HasSubstr("is there"));
}

TEST_F(SnapshotsTest, AnEmptyEngineOfSomebodyElseIsFilledAndLeads) {
  MakeWorld(1);
  StartPrimary(0);
  Write(0, SomeData());
  Process server;
  const std::string socket = dir_.File("s.sock");
  server.Start({.argv = {"/usr/bin/redis-server", "--port", "0", "--unixsocket", socket, "--dir",
                         dir_.path(), "--masterauth", "former", "--save", ""},
                .environment = {},
                .output = dir_.File("server.out")});
  std::unique_ptr<EngineClient> client;
  ASSERT_TRUE(Eventually([&] { return (client = EngineClient::Connect(socket)) != nullptr; }));

  const Json restored = Tool("restore", {"--to", "unix:" + socket});
  EXPECT_EQ(restored["databases"][0]["keys"], 9);
  EXPECT_EQ(client->Do({"GET", "scripted"})->text, "by script");
  EXPECT_EQ(client->Do({"ROLE"})->items.at(0).text, "master");
  EXPECT_EQ(client->Do({"CONFIG", "GET", "masterauth"})->items.at(1).text, "former");

  // Now it has data, which nobody throws away.
  const auto [output, status] = RunTool("restore", {"--to", "unix:" + socket});
  EXPECT_EQ(status, 1) << output;
  EXPECT_THAT(output, HasSubstr("has data"));
}

TEST_F(SnapshotsTest, AStoreInS3IsAsGood) {
  using objects::testing::S3rver;
  const auto s3 = S3rver::Start(S3rver::Transport::kPlain);
  if (s3 == nullptr) GTEST_SKIP() << "npm cannot get s3rver";
  setenv("AWS_ACCESS_KEY_ID", "S3RVER", 1);
  setenv("AWS_SECRET_ACCESS_KEY", "S3RVER", 1);
  store_url_ = "s3://snapshots/caches?endpoint=" + s3->endpoint();
  MakeWorld(2);
  StartPrimary(0);
  Write(0, SomeData());
  const Json snapshot = Tool("snapshot", {"--trim", "keep-records=0"});
  EXPECT_EQ(snapshot.value("digest", ""), Digest(0));
  ASSERT_EQ(world_->Increment(0, "n"), std::optional<int64_t>(1));
  world_->StartAgent(1);
  ASSERT_TRUE(world_->AwaitReplica(1, "n", "1")) << world_->Output(1);
  EXPECT_EQ(Digest(1), Digest(0));
}

TEST_F(SnapshotsTest, ASnapshotOfAnotherHistoryIsRefused) {
  MakeWorld(1);
  StartPrimary(0);
  Write(0, SomeData());
  const Json snapshot = Tool("snapshot", {});
  Write(0, {{"SET", "text", "two"}});
  const std::string location = snapshot.value("location", "");
  const std::string path = location.substr(std::string("file://").size()) + "/manifest.json";
  std::string manifest = ReadWholeFile(path);
  const std::string chain = snapshot.value("chain", "");
  ASSERT_THAT(manifest, HasSubstr(chain));
  manifest.replace(manifest.find(chain), chain.size(), "00000000deadbeef");
  std::ofstream(path) << manifest;

  const auto [output, status] = RunTool("snapshot", {});
  EXPECT_EQ(status, 1);
  EXPECT_THAT(output, HasSubstr("not of one history"));
}

TEST_F(SnapshotsTest, ASchedulerTakesOneWhenEnoughRecordsCameAndEndsWhenAsked) {
  MakeWorld(1);
  StartPrimary(0);
  Process scheduler;
  const std::string output = dir_.File("scheduler.out");
  Write(0, SomeData());
  scheduler.Start({.argv = ToolCommand("snapshot", {"--max-log-records", "3"}),
                   .environment = {},
                   .output = output});
  ASSERT_TRUE(Eventually([&] {
    return ReadWholeFile(output).find("\"location\"") != std::string::npos;
  })) << ReadWholeFile(output);
  scheduler.Signal(SIGINT);
  EXPECT_EQ(scheduler.AwaitExit(), std::optional<int>(130));
  EXPECT_THAT(ReadWholeFile(output), Not(HasSubstr("critical")));
}

}  // namespace
}  // namespace cairn::integration
