// Clients that send any commands in any order, with any number of arguments: whoever comes next is
// served as if they had never been. (A CHECK that a client's bytes reach would end this test.)
//
// CAIRN_RANDOM_CLIENTS and CAIRN_RANDOM_SEED make it longer, and another one.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "adapter/redis/command_table.h"
#include "adapter/redis/resp_encoder.h"
#include "base/random.h"
#include "tests/adapter/front_lab.h"

namespace cairn::adapter::redis {
namespace {

using Words = std::vector<std::string>;

int64_t FromEnvironment(const char* name, int64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoll(text);
}

// What changes the state of a connection, or is answered by the agent.
const std::vector<Words> kStateful = {
    {"MULTI"},
    {"MULTI"},
    {"EXEC"},
    {"DISCARD"},
    {"WATCH", "k"},
    {"UNWATCH"},
    {"RESET"},
    {"QUIT"},
    {"SUBSCRIBE", "c"},
    {"UNSUBSCRIBE"},
    {"PSUBSCRIBE", "*"},
    {"PUNSUBSCRIBE"},
    {"SSUBSCRIBE", "c"},
    {"MONITOR"},
    {"PUBLISH", "c", "m"},
    {"HELLO", "3"},
    {"HELLO", "2"},
    {"HELLO"},
    {"AUTH", "a", "b"},
    {"AUTH", "default", "x"},
    {"SELECT", "1"},
    {"CLIENT", "REPLY", "OFF"},
    {"CLIENT", "REPLY", "SKIP"},
    {"CLIENT", "REPLY", "ON"},
    {"CLIENT", "TRACKING", "ON"},
    {"CLIENT", "LIST"},
    {"CLIENT", "KILL", "ID", "1"},
    {"CLIENT", "UNBLOCK", "1"},
    {"CAIRN"},
    {"CAIRN", "SEQ"},
    {"CAIRN", "INFO"},
    {"CAIRN", "HANDOVER"},
    {"CAIRN", "DURABILITY", "async"},
    {"CAIRN", "DURABILITY", "sync"},
    {"WAIT", "1", "0"},
    {"ROLE"},
    {"INFO"},
    {"CLUSTER", "SLOTS"},
    {"SENTINEL", "masters"},
    {"READONLY"},
    {"ASKING"},
    {"SET", "k", "v"},
    {"GET", "k"},
    {"BLPOP", "list", "0.01"},
    {"EVAL", "return redis.call('set', 'k', '1')", "0"},
};

// (None with which CLIENT KILL would end the clients that look how things are.)
const Words kArguments = {"k",  "1",    "0",      "-1", "2",       "*",    "",        "STORE",
                          "$",  "LEFT", "COUNT",  "ID", "KEYS",    "d",    "STREAMS", "ASYNC",
                          "ON", "OFF",  "NORMAL", "db", "MATCH",   "YES",  "0.01",    "c",
                          "x",  "ANY",  "AUTH",   "no", "default", "LIST", "BLOCK"};

std::vector<Words> EnginesCommands() {
  std::ifstream file(CAIRN_ENGINES_DIR "/redis-7.0.15.command", std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  auto reply = ReadRespValue(bytes.str());
  EXPECT_TRUE(reply.ok()) << reply.status();
  const CommandTable table = *CommandTable::FromReply(*reply);
  std::vector<Words> commands;
  for (const CommandInfo* const info : table.All()) {
    const size_t bar = info->name.find('|');
    // What stops the engine for a while would only make the test slow.
    if (info->name.starts_with("debug")) continue;
    commands.push_back({info->name.substr(0, bar)});
    if (bar != std::string::npos) commands.back().push_back(info->name.substr(bar + 1));
  }
  return commands;
}

class RandomClients {
 public:
  explicit RandomClients(uint64_t seed) : random_(seed), commands_(EnginesCommands()) {}

  // The commands of one client.
  std::vector<Words> Next() {
    std::vector<Words> calls(static_cast<size_t>(random_.Between(1, 25)));
    for (Words& call : calls) {
      const bool stateful = random_.Chance(0.6);
      call = Pick(stateful ? kStateful : commands_);
      // Also with more, or less, than it takes.
      const int64_t more = stateful ? random_.Chance(0.2) : random_.Between(0, 5);
      for (int64_t i = 0; i < more; ++i) call.push_back(Pick(kArguments));
      if (stateful && call.size() > 1 && random_.Chance(0.1)) call.pop_back();
    }
    return calls;
  }
  // Sends them, some together, and reads now and then.
  void Run(FrontLab* lab, const std::vector<Words>& calls) {
    FrontClient client(lab);
    client.SkipReplies();
    std::string bytes;
    for (const Words& call : calls) {
      const std::vector<std::string_view> views(call.begin(), call.end());
      AppendCommand(views, &bytes);
      if (!random_.Chance(0.4)) continue;
      client.Send(std::exchange(bytes, ""));
      EXPECT_EQ(FrontClient(lab).Ask({"PING"}), "+PONG\r\n") << "a turn of the thread";
    }
    client.Send(bytes);
    (void)client.Waits();
  }

 private:
  template <class T>
  const T& Pick(const std::vector<T>& from) {
    return from[random_.Below(from.size())];
  }

  Random random_;
  const std::vector<Words> commands_;
};

// On a connection of its own, which somebody may have used before, and on the shared one.
void ExpectServed(FrontLab* lab, const std::string& token) {
  const std::string echo = fmt::format("${}\r\n{}\r\n", token.size(), token);
  FrontClient client(lab);
  ASSERT_EQ(client.Ask({"MULTI"}), "+OK\r\n");
  ASSERT_EQ(client.Ask({"ECHO", token}), "+QUEUED\r\n");
  ASSERT_EQ(client.Ask({"EXEC"}), "*1\r\n" + echo);
  ASSERT_EQ(client.Ask({"SET", "own", token}), "+OK\r\n");
  ASSERT_EQ(client.Ask({"GET", "own"}), echo);
}

TEST(FrontRandomTest, WhateverIsSentTheNextClientIsServed) {
  const auto seed = static_cast<uint64_t>(FromEnvironment("CAIRN_RANDOM_SEED", 1));
  FrontOptions options;
  options.io_threads = 1;  // Clients follow each other on the same connections.
  FrontLab lab(options);
  RandomClients clients(seed);
  for (int64_t i = 0; i < FromEnvironment("CAIRN_RANDOM_CLIENTS", 80); ++i) {
    const std::vector<Words> calls = clients.Next();
    SCOPED_TRACE(fmt::format("CAIRN_RANDOM_SEED={}, client {}: {}", seed, i, calls));
    clients.Run(&lab, calls);
    ExpectServed(&lab, fmt::format("token-{}", i));
    if (::testing::Test::HasFatalFailure()) return;
  }
}

// Each of these ended the agent, or left a connection inside MULTI to whoever got it next.
TEST(FrontRandomTest, MistakesInsideATransactionAreTheEnginesToAnswer) {
  FrontOptions options;
  options.io_threads = 1;
  FrontLab lab(options, {"--user", "alice", "on", "nopass", "~*", "&*", "+@all", "-discard"});
  const std::vector<std::vector<Words>> mistakes = {
      {{"MULTI"}, {"RESET", "x"}, {"EXEC"}},
      {{"MULTI"}, {"DISCARD", "x"}, {"SET", "k", "v"}, {"EXEC"}},
      {{"MULTI"}, {"EXEC", "x"}},
      {{"AUTH", "alice", "x"}, {"MULTI"}, {"DISCARD"}, {"SET", "k", "v"}, {"EXEC"}},
  };
  for (const std::vector<Words>& calls : mistakes) {
    SCOPED_TRACE(fmt::format("{}", calls));
    FrontClient client(&lab);
    std::string last;
    for (const Words& call : calls) last = client.Ask(call);
    EXPECT_EQ(last.substr(0, 11), "-EXECABORT ");
    EXPECT_EQ(client.Ask({"GET", "k"}), "$-1\r\n");
    ExpectServed(&lab, "x");
  }
}

}  // namespace
}  // namespace cairn::adapter::redis
