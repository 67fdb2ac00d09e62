// Clients whose connection has a state of its own: subscriptions, WATCH, MONITOR, silence. What
// they ask next must not end it, and what ends it must not end them.

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "adapter/redis/resp_encoder.h"
#include "tests/adapter/front_lab.h"

namespace cairn::adapter::redis {
namespace {

constexpr const char* kOk = "+OK\r\n";

std::string Subscribed(const std::string& channel) {
  return "*3\r\n$9\r\nsubscribe\r\n$" + std::to_string(channel.size()) + "\r\n" + channel +
         "\r\n:1\r\n";
}

TEST(FrontOwnTest, ResetEndsAStateAndNotTheClient) {
  FrontLab lab;
  FrontClient client(&lab);
  ASSERT_EQ(client.Ask({"SUBSCRIBE", "c"}), Subscribed("c"));
  EXPECT_EQ(client.Ask({"RESET"}), "+RESET\r\n");
  EXPECT_EQ(client.Ask({"SET", "k", "v"}), kOk);
  ASSERT_EQ(client.Ask({"CLIENT", "NO-EVICT", "on"}), kOk);
  EXPECT_EQ(client.Ask({"RESET"}), "+RESET\r\n");
  ASSERT_EQ(client.Ask({"MONITOR"}), kOk);
  EXPECT_EQ(client.Ask({"RESET"}), "+RESET\r\n");
  EXPECT_EQ(client.Ask({"GET", "k"}), "$1\r\nv\r\n");
}

// What is asked behind a write, for its offset, comes before what makes the connection a
// subscriber's, where nothing can be asked.
TEST(FrontOwnTest, SubscriptionsComeBehindTheOffsetOfAWrite) {
  FrontLab lab;
  FrontClient client(&lab);
  ASSERT_EQ(client.Ask({"WATCH", "k"}), kOk);  // It has a connection of its own from now on.
  client.Send(EncodeCommand({"SET", "k", "v"}) + EncodeCommand({"SUBSCRIBE", "c"}));
  EXPECT_EQ(client.Next(), kOk);
  EXPECT_EQ(client.Next(), Subscribed("c"));
  ASSERT_EQ(client.Ask({"RESET"}), "+RESET\r\n");
  ASSERT_EQ(client.Ask({"WATCH", "k"}), kOk);
  client.Send(EncodeCommand({"SET", "k", "w"}) + EncodeCommand({"PUNSUBSCRIBE", "a", "b"}) +
              EncodeCommand({"GET", "k"}));
  EXPECT_EQ(client.Next(), kOk);
  EXPECT_EQ(client.Next(), "*3\r\n$12\r\npunsubscribe\r\n$1\r\na\r\n:0\r\n");
  EXPECT_EQ(client.Next(), "*3\r\n$12\r\npunsubscribe\r\n$1\r\nb\r\n:0\r\n");
  EXPECT_EQ(client.Next(), "$1\r\nw\r\n");
}

TEST(FrontOwnTest, AWatchOutlivesAChangeOfDatabase) {
  FrontLab lab;
  FrontClient client(&lab);
  FrontClient other(&lab);
  ASSERT_EQ(client.Ask({"WATCH", "k"}), kOk);
  ASSERT_EQ(client.Ask({"SELECT", "1"}), kOk);
  ASSERT_EQ(other.Ask({"SET", "k", "v"}), kOk);
  ASSERT_EQ(client.Ask({"MULTI"}), kOk);
  ASSERT_EQ(client.Ask({"SET", "k", "too late"}), "+QUEUED\r\n");
  EXPECT_EQ(client.Ask({"EXEC"}), "*-1\r\n");
  EXPECT_EQ(client.Ask({"SET", "k", "in 1"}), kOk);
  EXPECT_EQ(other.Ask({"GET", "k"}), "$1\r\nv\r\n");
  ASSERT_EQ(client.Ask({"WATCH", "k"}), kOk);
  EXPECT_EQ(client.Ask({"SELECT", "99"}), "-ERR DB index is out of range\r\n");
  EXPECT_EQ(client.Ask({"GET", "k"}), "$4\r\nin 1\r\n");
}

TEST(FrontOwnTest, ASubscriberOfTheOldProtocolMayDoNothingElse) {
  FrontLab lab;
  FrontClient client(&lab);
  FrontClient other(&lab);
  ASSERT_EQ(client.Ask({"SUBSCRIBE", "c"}), Subscribed("c"));
  const std::map<std::string, std::vector<std::string>> refused{
      {"get", {"GET", "1"}},
      {"select", {"SELECT", "1"}},
      {"client|id", {"CLIENT", "ID"}},
      {"multi", {"MULTI"}},
      {"zrevrangebyscore", {"ZREVRANGEBYSCORE", "z", "2", "1"}},
  };
  for (const auto& [name, command] : refused) {
    const std::string reply = client.Ask(command);
    EXPECT_EQ(reply.find("-ERR Can't execute '" + name + "': only"), 0u) << reply;
  }
  EXPECT_EQ(client.Ask({"PING"}), "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
  EXPECT_EQ(other.Ask({"PUBLISH", "c", "m"}), ":1\r\n") << "it is subscribed still";
  EXPECT_EQ(client.Next(), "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n");
}

// Its writes are marked again, so that nobody sees them before they are committed.
TEST(FrontOwnTest, WhoHasUnsubscribedIsAClientLikeOthers) {
  FrontLab lab;
  FrontClient client(&lab);
  FrontClient reader(&lab);
  ASSERT_EQ(client.Ask({"SUBSCRIBE", "c"}), Subscribed("c"));
  client.Send(EncodeCommand({"UNSUBSCRIBE"}) + EncodeCommand({"SET", "k", "old"}));
  EXPECT_EQ(client.Next(), "*3\r\n$11\r\nunsubscribe\r\n$1\r\nc\r\n:0\r\n");
  EXPECT_EQ(client.Next(), kOk);
  lab.SetCommitting(false);
  client.Do({"SET", "k", "new"});
  EXPECT_TRUE(client.Waits());
  reader.Do({"GET", "k"});
  EXPECT_TRUE(reader.Waits());
  lab.SetCommitting(true);
  EXPECT_EQ(reader.Next(), "$3\r\nnew\r\n");
  EXPECT_EQ(client.Next(), kOk);
  EXPECT_EQ(client.Ask({"SELECT", "2"}), kOk);
  EXPECT_EQ(client.Ask({"GET", "k"}), "$-1\r\n");
}

TEST(FrontOwnTest, MonitorShowsWhatClientsAskAndNotTheAgent) {
  FrontLab lab;
  FrontClient monitor(&lab);
  FrontClient client(&lab);
  ASSERT_EQ(monitor.Ask({"MONITOR"}), kOk);
  for (const char* value : {"one", "two"}) {
    ASSERT_EQ(client.Ask({"SET", "k", value}), kOk);
    const std::string line = monitor.Next();
    EXPECT_TRUE(line.ends_with(std::string("] \"SET\" \"k\" \"") + value + "\"\r\n")) << line;
  }
  EXPECT_NE(monitor.Ask({"CLIENT", "LIST"}).find(" flags=O "), std::string::npos);
  EXPECT_EQ(monitor.Ask({"SELECT", "1"}).substr(0, 12), "-ERR MONITOR");
  // What it shows is asked for once: an offset for a line that tells of this question would not
  // end.
  const std::string stats = lab.engine().Ask({"INFO", "commandstats"});
  const size_t calls = stats.find("cmdstat_role:calls=");
  ASSERT_NE(calls, std::string::npos);
  EXPECT_LT(std::stoi(stats.substr(calls + 19)), 50) << stats;
}

TEST(FrontOwnTest, SilenceIsKeptByTheAgent) {
  FrontLab lab;
  FrontClient client(&lab);
  client.Do({"CLIENT", "REPLY", "OFF"});
  client.Do({"SET", "k", "v"});
  client.Do({"MULTI"});
  client.Do({"INCR", "n"});
  client.Do({"EXEC"});
  client.Do({"CLIENT", "REPLY", "SKIP"});
  client.Do({"GET", "k"});
  EXPECT_EQ(client.Ask({"CLIENT", "REPLY", "ON"}), kOk);
  EXPECT_EQ(client.Ask({"GET", "n"}), "$1\r\n1\r\n");
  client.Do({"CLIENT", "REPLY", "SKIP"});
  client.Do({"SET", "k", "w"});
  EXPECT_EQ(client.Ask({"GET", "k"}), "$1\r\nw\r\n");
  EXPECT_EQ(client.Ask({"CLIENT", "REPLY", "maybe"}), "-ERR syntax error\r\n");
}

TEST(FrontOwnTest, MessagesAreHeardInSilence) {
  FrontLab lab;
  FrontClient client(&lab);
  FrontClient other(&lab);
  ASSERT_NE(client.Ask({"HELLO", "3"}), "");
  client.Do({"CLIENT", "REPLY", "OFF"});
  EXPECT_EQ(client.Ask({"SUBSCRIBE", "c"}), ">3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n");
  EXPECT_EQ(other.Ask({"PUBLISH", "c", "m"}), ":1\r\n");
  EXPECT_EQ(client.Next(), ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n");
}

// It is an error to a command that otherwise has no reply; it must not be taken for the next one's.
TEST(FrontOwnTest, ARefusedSubscriptionIsAnsweredInItsPlace) {
  FrontLab lab({}, {"--user", "alice", "on", "nopass", "~*", "&open", "+@all"});
  FrontClient client(&lab);
  ASSERT_NE(client.Ask({"HELLO", "3", "AUTH", "alice", "x"}).find("server"), std::string::npos);
  client.Send(EncodeCommand({"SUBSCRIBE", "secret"}) + EncodeCommand({"ECHO", "one"}));
  EXPECT_EQ(client.Next().substr(0, 8), "-NOPERM ");
  EXPECT_EQ(client.Next(), "$3\r\none\r\n");
  EXPECT_EQ(client.Ask({"SUBSCRIBE", "open"}), ">3\r\n$9\r\nsubscribe\r\n$4\r\nopen\r\n:1\r\n");
  EXPECT_EQ(client.Ask({"ECHO", "two"}), "$3\r\ntwo\r\n");
}

// It tells no offset until the script has ended, which this client is the one to see to. Both are
// of one thread: they share their connections.
TEST(FrontOwnTest, ABusyEngineIsToldOfAtOnce) {
  FrontOptions options;
  options.io_threads = 1;
  FrontLab lab(options);
  FrontClient looping(&lab);
  FrontClient client(&lab);
  ASSERT_EQ(client.Ask({"CONFIG", "SET", "lua-time-limit", "10"}), kOk);
  ASSERT_EQ(client.Ask({"SET", "k", "v"}), kOk);
  ASSERT_EQ(client.Ask({"MULTI"}), kOk);
  ASSERT_EQ(client.Ask({"INCR", "n"}), "+QUEUED\r\n");
  looping.Do({"EVAL", "while true do end", "0"});
  ASSERT_TRUE(lab.world().Until([&] { return lab.engine().Ask({"PING"}).starts_with("BUSY "); }));
  EXPECT_EQ(client.Ask({"EXEC"}).substr(0, 11), "-EXECABORT ");
  EXPECT_EQ(client.Ask({"SET", "k", "w"}).substr(0, 6), "-BUSY ");
  EXPECT_EQ(client.Ask({"GET", "k"}).substr(0, 6), "-BUSY ");
  EXPECT_EQ(client.Ask({"SCRIPT", "KILL"}), kOk);
  EXPECT_EQ(looping.Next().substr(0, 5), "-ERR ");
  EXPECT_EQ(client.Ask({"GET", "k"}), "$1\r\nv\r\n");
}

}  // namespace
}  // namespace cairn::adapter::redis
