// The command table over what a real engine answered to COMMAND (engines/), in the shape of that
// version and in the shape of Redis 6.2, which lacks key specifications and subcommands.
#include "adapter/redis/command_table.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace cairn::adapter::redis {
namespace {

using Words = std::vector<std::string_view>;

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  EXPECT_FALSE(bytes.str().empty()) << path;
  return bytes.str();
}

RespValue CommandReply() {
  auto reply = ReadRespValue(ReadFile(CAIRN_ENGINES_DIR "/redis-7.0.15.command"));
  EXPECT_TRUE(reply.ok()) << reply.status();
  return *std::move(reply);
}

const CommandTable& Table() {
  static const auto* const table = new CommandTable(*CommandTable::FromReply(CommandReply()));
  return *table;
}

// As Redis 6.2 answers: seven fields, and keys of moving places unknown.
const CommandTable& OldTable() {
  static const auto* const table = [] {
    RespValue reply = CommandReply();
    for (RespValue& command : reply.items) command.items.resize(7);
    return new CommandTable(*CommandTable::FromReply(reply));
  }();
  return *table;
}

CommandPlan Judge(const CommandTable& table, const Words& argv) {
  CommandPlan plan;
  table.Judge(argv, &plan);
  return plan;
}

constexpr std::string_view kAgents[] = {
    "",     "ASKING",   "AUTH",      "CAIRN", "CLIENT", "CLUSTER", "HELLO",    "INFO",
    "QUIT", "READONLY", "READWRITE", "RESET", "ROLE",   "SELECT",  "SENTINEL", "WAIT"};
constexpr std::string_view kPins[] = {"",        "transaction", "blocking", "subscription",
                                      "monitor", "tracking",    "settings"};
constexpr std::string_view kReads[] = {"at once", "its keys", "whole offset"};
constexpr std::string_view kMarks[] = {"nothing", "its keys", "its database", "all databases"};

std::string KeysText(const CommandPlan& plan) {
  std::string text;
  for (const KeyRef& key : plan.keys) {
    text += fmt::format(" {}{}", key.argument, key.written ? "w" : "r");
  }
  return text.empty() ? "" : " keys" + text;
}

// One line of the golden table.
std::string PlanText(const CommandPlan& plan) {
  std::string text(ClassName(plan.kind));
  if (plan.pin != PinReason::kNone) text += fmt::format(" ({})", kPins[size_t(plan.pin)]);
  if (plan.kind == CommandClass::kAgent) text += fmt::format(" ({})", kAgents[size_t(plan.agent)]);
  if (plan.kind == CommandClass::kRead)
    text += fmt::format(" waits: {}", kReads[size_t(plan.read)]);
  if (plan.writes) text += fmt::format(" marks: {}", kMarks[size_t(plan.marks)]);
  text += KeysText(plan);
  if (plan.kind == CommandClass::kRefused) {
    text += plan.hang_up ? " by hanging up" : fmt::format(": {}", plan.reason);
  }
  return text;
}

// A call of a command with as many arguments as it needs, and four more where it takes them; all
// are "1", which is also a good count of keys.
Words SampleCall(const CommandInfo& info) {
  const std::string_view name = info.name;
  const size_t bar = name.find('|');
  Words argv = {name.substr(0, bar)};
  if (bar != std::string_view::npos) argv.push_back(name.substr(bar + 1));
  const auto least = static_cast<size_t>(std::abs(info.arity));
  argv.resize(std::max(argv.size(), info.arity < 0 ? least + 4 : least), "1");
  return argv;
}

TEST(CommandTableTest, EveryCommandOfTheEngineFallsIntoAClass) {
  std::string text;
  for (const CommandInfo* const info : Table().All()) {
    const Words argv = SampleCall(*info);
    if (!info->subcommands.empty()) continue;
    text += fmt::format("{:<28} {}\n", info->name, PlanText(Judge(Table(), argv)));
  }
  const std::string path = CAIRN_GOLDEN_DIR "/redis-7.0.15-commands.txt";
  if (std::getenv("CAIRN_REWRITE") != nullptr) std::ofstream(path) << text;
  EXPECT_EQ(text, ReadFile(path));
}

TEST(CommandTableTest, NothingButReadsAndWritesIsJudgedWithoutARow) {
  for (const CommandInfo* const info : Table().All()) {
    if (info->Has(kFlagWrite) || info->Has(kFlagReadOnly)) continue;
    const std::string container = info->name.substr(0, info->name.find('|'));
    if (container == "xgroup" || container == "xinfo") continue;  // All of them have flags.
    EXPECT_TRUE(FindPolicy(info->name) != nullptr || FindPolicy(container) != nullptr)
        << info->name;
  }
}

struct PlanCase {
  Words argv;
  std::string_view want;
};

const PlanCase kCases[] = {
    {{"get", "k"}, "read waits: its keys keys 1r"},
    {{"GeT", "k"}, "read waits: its keys keys 1r"},
    {{"GET"}, "local"},
    {{"GET", "a", "b"}, "local"},
    {{"MGET", "a", "b", "c"}, "read waits: its keys keys 1r 2r 3r"},
    {{"SET", "k", "v"}, "write marks: its keys keys 1w"},
    {{"MSET", "a", "1", "b", "2"}, "write marks: its keys keys 1w 3w"},
    {{"SINTERSTORE", "d", "a", "b"}, "write marks: its keys keys 1w 2r 3r"},
    {{"ZUNIONSTORE", "d", "2", "a", "b", "WEIGHTS", "1", "2"},
     "write marks: its keys keys 1w 3r 4r"},
    {{"ZUNION", "2", "a", "b"}, "read waits: its keys keys 2r 3r"},
    {{"ZUNION", "7", "a", "b"}, "read waits: whole offset"},
    {{"ZUNION", "x", "a", "b"}, "read waits: whole offset"},
    {{"PFCOUNT", "a"}, "read waits: its keys keys 1w"},
    {{"XREAD", "COUNT", "1", "STREAMS", "a", "b", "0", "0"}, "read waits: its keys keys 4r 5r"},
    {{"XREAD", "BLOCK", "5", "STREAMS", "a", "0"}, "pinned (blocking) keys 4r"},
    {{"XREADGROUP", "GROUP", "g", "c", "STREAMS", "a", ">"}, "write marks: its keys keys 5w"},
    {{"XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS", "a", ">"},
     "pinned (blocking) marks: its keys keys 7w"},
    {{"XGROUP", "CREATE", "s", "g", "$"}, "write marks: its keys keys 2w"},
    {{"BLPOP", "a", "b", "0"}, "pinned (blocking) marks: its keys keys 1w 2w"},
    {{"BZMPOP", "0", "2", "a", "b", "MIN"}, "pinned (blocking) marks: its keys keys 3w 4w"},
    {{"OBJECT", "ENCODING", "k"}, "read waits: its keys keys 2r"},
    {{"OBJECT", "HELP"}, "local"},
    {{"MEMORY", "USAGE", "k"}, "read waits: its keys keys 2r"},
    {{"MEMORY", "STATS"}, "local"},
    {{"RANDOMKEY"}, "read waits: whole offset"},
    {{"DBSIZE"}, "read waits: whole offset"},
    {{"SCAN", "0"}, "read waits: whole offset"},
    {{"EVAL", "s", "0"}, "write marks: all databases"},
    {{"EVAL", "s", "2", "a", "b", "x"}, "write marks: its keys keys 3w 4w"},
    {{"EVAL", "s", "3", "a", "b"}, "write marks: all databases"},
    {{"EVAL_RO", "s", "1", "a"}, "read waits: whole offset"},
    {{"FCALL", "f", "1", "a"}, "write marks: its keys keys 3w"},
    {{"FCALL_RO", "f", "1", "a"}, "read waits: whole offset"},
    {{"SORT", "k"}, "read waits: its keys keys 1r"},
    {{"SORT", "k", "LIMIT", "0", "5", "ALPHA"}, "read waits: its keys keys 1r"},
    {{"SORT", "k", "by", "w_*"}, "read waits: whole offset keys 1r"},
    {{"SORT", "k", "GET", "#"}, "read waits: whole offset keys 1r"},
    {{"SORT", "k", "BY", "w_*", "StOrE", "d"}, "write marks: its keys keys 1r 5w"},
    {{"SORT", "k", "STORE", "a", "STORE", "b"}, "write marks: its keys keys 1r 3w 5w"},
    {{"SORT_RO", "k"}, "read waits: its keys keys 1r"},
    {{"SORT_RO", "k", "BY", "w_*"}, "read waits: whole offset"},
    {{"GEORADIUS", "k", "0", "0", "1", "m"}, "read waits: its keys keys 1r"},
    {{"GEORADIUS", "k", "0", "0", "1", "m", "STOREDIST", "d"}, "write marks: its keys keys 1r 7w"},
    {{"COPY", "a", "b"}, "write marks: its keys keys 1r 2w"},
    {{"COPY", "a", "b", "DB", "1"}, "write marks: all databases"},
    {{"MOVE", "k", "1"}, "write marks: all databases"},
    {{"FLUSHALL"}, "write marks: all databases"},
    {{"FLUSHDB", "ASYNC"}, "write marks: its database"},
    {{"SWAPDB", "0", "1"}, "write marks: all databases"},
    {{"PUBLISH", "c", "m"}, "write marks: nothing"},
    {{"SPUBLISH", "c", "m"}, "write marks: nothing"},
    {{"SSUBSCRIBE", "c"}, "pinned (subscription)"},
    {{"WATCH", "a", "b"}, "pinned (transaction)"},
    {{"SCRIPT", "LOAD", "s"}, "write marks: nothing"},
    {{"SCRIPT", "EXISTS", "s"}, "read waits: whole offset"},
    {{"FUNCTION", "LOAD", "s"}, "write marks: nothing"},
    {{"CLIENT", "LIST"}, "agent (CLIENT)"},
    {{"CLIENT", "NOSUCH"}, "local"},
    {{"CLIENT"}, "local"},
    {{"client", "tracking", "on"}, "pinned (tracking)"},
    {{"client", "tracking", "on", "bcast", "Redirect", "7"},
     "refused: invalidations cannot go to another client; use RESP3, which needs no other"},
    {{"CLIENT", "REPLY", "off"}, "agent (CLIENT)"},
    {{"CONFIG", "GET", "save"}, "local"},
    {{"CONFIG", "SET", "maxmemory", "1gb"}, "local"},
    {{"CONFIG", "SET", "hz", "10", "SAVE", "60 1"},
     "refused: the log keeps the data, and the primary never forks"},
    {{"CONFIG", "SET", "hz", "10", "SAVE", ""}, "local"},
    {{"CONFIG", "SET", "save", "", "hz", "10", "AppendOnly", "YES"},
     "refused: the log keeps the data, and the primary never forks"},
    {{"CONFIG", "SET", "hz", "10", "dir"}, "local"},  // The engine's syntax error.
    {{"DEBUG", "object", "k"}, "read waits: whole offset"},
    {{"DEBUG", "SEGFAULT"}, "refused: it changes the engine behind the log's back"},
    {{"CLUSTER", "SLOTS"}, "agent (CLUSTER)"},
    {{"CLUSTER", "MEET", "h", "1"},
     "refused: slots belong to the catalog of the cluster, not to an engine"},
    {{"SENTINEL", "masters"}, "agent (SENTINEL)"},
    {{"CAIRN", "SEQ"}, "agent (CAIRN)"},
    {{"POST", "/"}, "refused by hanging up"},
    {{"Host:", "x"}, "refused by hanging up"},
    {{"NOSUCH", "x"}, "write marks: all databases"},
    {{""}, "write marks: all databases"},
};

TEST(CommandTableTest, JudgesCallsByTheirArguments) {
  for (const PlanCase& example : kCases) {
    EXPECT_EQ(PlanText(Judge(Table(), example.argv)), example.want)
        << ::testing::PrintToString(example.argv);
  }
}

// What the older shape does not say is judged with more caution, never with less.
const PlanCase kOldCases[] = {
    {{"GET", "k"}, "read waits: its keys keys 1r"},
    {{"GET"}, "local"},
    {{"MGET", "a", "b"}, "read waits: its keys keys 1r 2r"},
    {{"SINTERSTORE", "d", "a", "b"}, "write marks: its keys keys 1w 2w 3w"},
    {{"ZUNION", "2", "a", "b"}, "read waits: whole offset"},
    {{"ZUNIONSTORE", "d", "1", "a"}, "write marks: its database"},
    {{"EVAL", "s", "1", "a"}, "write marks: all databases"},
    {{"SORT", "k"}, "read waits: its keys keys 1r"},
    {{"SORT", "k", "STORE", "d"}, "write marks: its keys keys 1r 3w"},
    {{"BLPOP", "a", "0"}, "pinned (blocking) marks: its keys keys 1w"},
    {{"XREAD", "STREAMS", "a", "0"}, "read waits: whole offset"},
    {{"PUBLISH", "c", "m"}, "write marks: nothing"},
    {{"SSUBSCRIBE", "c"}, "pinned (subscription)"},
    {{"CLIENT", "LIST"}, "agent (CLIENT)"},
    {{"CLIENT", "NOSUCH"}, "pinned (settings)"},
    {{"CONFIG", "SET", "dir", "/x"},
     "refused: the agent alone reaches the engine and its files; that is the fence"},
    {{"CONFIG", "GET", "dir"}, "local"},
    {{"MODULE", "LOAD", "x"},
     "refused: replicas and later primaries would read records of a module that they do not have; "
     "load it by the engine's configuration, on all nodes"},
    {{"SCRIPT", "LOAD", "s"}, "write marks: nothing"},
    {{"OBJECT", "ENCODING", "k"}, "read waits: its keys keys 2r"},
    {{"object", "freq", "k"}, "read waits: its keys keys 2r"},
    {{"OBJECT", "HELP"}, "read waits: whole offset"},
    {{"MEMORY", "usage", "k", "SAMPLES", "5"}, "read waits: its keys keys 2r"},
    {{"MEMORY", "USAGE"}, "read waits: whole offset"},
    {{"MEMORY", "DOCTOR"}, "local"},
    {{"DEBUG", "RELOAD"}, "refused: it changes the engine behind the log's back"},
};

TEST(CommandTableTest, JudgesByTheOlderShape) {
  for (const PlanCase& example : kOldCases) {
    EXPECT_EQ(PlanText(Judge(OldTable(), example.argv)), example.want)
        << ::testing::PrintToString(example.argv);
  }
}

TEST(CommandTableTest, TheOlderShapeLetsNothingPassThatTheNewerStops) {
  for (const CommandInfo* const info : Table().All()) {
    if (!info->subcommands.empty()) continue;
    const Words argv = SampleCall(*info);
    const CommandPlan now = Judge(Table(), argv);
    const CommandPlan old = Judge(OldTable(), argv);
    const bool data = now.kind == CommandClass::kRead || now.kind == CommandClass::kWrite ||
                      now.kind == CommandClass::kLocal;
    if (!data) {
      EXPECT_EQ(old.kind, now.kind) << info->name;
    }
    if (now.writes) {
      EXPECT_TRUE(old.writes) << info->name;
      EXPECT_GE(old.marks, now.marks) << info->name;
    }
    if (now.kind == CommandClass::kRead) {
      EXPECT_NE(old.kind, CommandClass::kLocal) << info->name;
    }
    if (now.kind == CommandClass::kRead && old.kind == CommandClass::kRead) {
      EXPECT_GE(old.read, now.read) << info->name;
    }
  }
}

TEST(CommandTableTest, TellsWhyItRefuses) {
  const Words config = {"config", "SET", "Save", "x"};
  EXPECT_EQ(CommandTable::RefusalText(config, Judge(Table(), config)),
            "ERR CONFIG SET of that name is refused: the log keeps the data, and the primary never "
            "forks");
  const Words meet = {"cluster", "meet", "h", "1"};
  EXPECT_EQ(CommandTable::RefusalText(meet, Judge(Table(), meet)),
            "ERR CLUSTER MEET is refused: slots belong to the catalog of the cluster, not to an "
            "engine");
}

TEST(CommandTableTest, RefusesWhatIsNoReplyToCommand) {
  for (const char* reply : {"-ERR no\r\n", "*0\r\n", "*1\r\n*1\r\n$3\r\nget\r\n", "*1\r\n:1\r\n",
                            "*1\r\n*7\r\n+get\r\n+x\r\n*0\r\n:1\r\n:1\r\n:1\r\n*0\r\n"}) {
    EXPECT_EQ(CommandTable::FromReply(*ReadRespValue(reply)).status().code(),
              absl::StatusCode::kInvalidArgument)
        << reply;
  }
}

TEST(GuardedConfigTest, ByWhateverCaseAndAlias) {
  for (const char* name : {"repl-backlog-size", "REPLICA-priority", "slave-read-only", "bind",
                           "min-replicas-to-write", "maxmemory-policy", "requirepass"}) {
    EXPECT_TRUE(GuardedConfig(name, "1")) << name;
    EXPECT_TRUE(GuardedConfig(name, "")) << name;
  }
  for (const char* name : {"maxmemory", "hz", "slowlog-max-len", "notify-keyspace-events", ""}) {
    EXPECT_FALSE(GuardedConfig(name, "1")) << name;
  }
}

TEST(GuardedConfigTest, WhatLeavesThingsAsTheyAreIsFine) {
  EXPECT_FALSE(GuardedConfig("save", ""));
  EXPECT_FALSE(GuardedConfig("AppendOnly", "NO"));
  EXPECT_FALSE(GuardedConfig("maxmemory-policy", "noeviction"));
  EXPECT_TRUE(GuardedConfig("save", " "));
  EXPECT_TRUE(GuardedConfig("appendonly", "yes"));
  EXPECT_TRUE(GuardedConfig("maxmemory-policy", "allkeys-lru"));
}

}  // namespace
}  // namespace cairn::adapter::redis
