// The front over a real engine: what clients see while effects are, and are not, committed.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "tests/adapter/front_lab.h"

namespace cairn::adapter::redis {
namespace {

constexpr const char* kOk = "+OK\r\n";
constexpr const char* kNull = "$-1\r\n";

TEST(FrontTest, PassesCommandsOn) {
  FrontLab lab;
  FrontClient client(&lab);
  EXPECT_EQ(client.Ask({"PING"}), "+PONG\r\n");
  EXPECT_EQ(client.Ask({"SET", "k", "v"}), kOk);
  EXPECT_EQ(client.Ask({"GET", "k"}), "$1\r\nv\r\n");
  EXPECT_EQ(client.Ask({"GET", "nothing"}), kNull);
  EXPECT_EQ(client.Ask({"INCR", "n"}), ":1\r\n");
  EXPECT_EQ(client.Ask({"NOSUCH"}).substr(0, 20), "-ERR unknown command");
  EXPECT_EQ(client.Ask({"GET"}).substr(0, 30), "-ERR wrong number of arguments");
  EXPECT_EQ(client.Ask({"SHUTDOWN"}).substr(0, 25), "-ERR SHUTDOWN is refused:");
  client.Send("get k\r\n");
  EXPECT_EQ(client.Next(), "$1\r\nv\r\n") << "inline";
}

TEST(FrontTest, AWriteIsAnsweredWhenItIsCommitted) {
  FrontLab lab;
  lab.SetCommitting(false);
  FrontClient writer(&lab);
  FrontClient reader(&lab);
  writer.Do({"SET", "k", "v"});
  writer.Do({"GET", "other"});
  EXPECT_TRUE(writer.Waits());
  // What is not committed is not shown, what stands beside it is.
  reader.Do({"GET", "k"});
  EXPECT_TRUE(reader.Waits());
  lab.SetCommitting(true);
  EXPECT_EQ(writer.Next(), kOk);
  EXPECT_EQ(writer.Next(), kNull) << "in the order of the requests";
  EXPECT_EQ(reader.Next(), "$1\r\nv\r\n");
}

TEST(FrontTest, AReadOfAnotherKeyDoesNotWait) {
  FrontLab lab;
  FrontClient client(&lab);
  ASSERT_EQ(client.Ask({"SET", "a", "1"}), kOk);
  lab.SetCommitting(false);
  FrontClient writer(&lab);
  writer.Do({"SET", "b", "2"});
  EXPECT_TRUE(writer.Waits());
  EXPECT_EQ(client.Ask({"GET", "a"}), "$1\r\n1\r\n");
  // Without keys it shows all of them.
  client.Do({"DBSIZE"});
  EXPECT_TRUE(client.Waits());
  lab.SetCommitting(true);
  EXPECT_EQ(client.Next(), ":2\r\n");
  EXPECT_EQ(writer.Next(), kOk);
}

// The reader has an io thread of its own, so its replies race with those to the writer.
TEST(FrontTest, NobodySeesAnEffectBeforeItIsCommitted) {
  constexpr int kRounds = 20;
  constexpr int kReads = 40;
  FrontLab lab;
  FrontClient writer(&lab);
  FrontClient reader(&lab);
  ASSERT_EQ(writer.Ask({"SET", "k", "0"}), kOk);
  std::string reads;
  for (int i = 0; i < kReads; ++i) AppendCommand({"GET", "k"}, &reads);
  for (int round = 1; round <= kRounds; ++round) {
    lab.SetCommitting(false);
    const std::string before = std::to_string(round - 1);
    const std::string old = fmt::format("${}\r\n{}\r\n", before.size(), before);
    reader.Send(reads);
    writer.Do({"SET", "k", std::to_string(round)});
    EXPECT_TRUE(writer.Waits());
    int seen = 0;
    while (!reader.Waits()) {
      ASSERT_EQ(reader.Next(), old) << "round " << round << ", which is not committed";
      ++seen;
    }
    lab.SetCommitting(true);
    ASSERT_EQ(writer.Next(), kOk);
    while (seen++ < kReads) ASSERT_NE(reader.Next(), "");
  }
}

TEST(FrontTest, AsyncAnswersFirst) {
  FrontLab lab;
  lab.SetCommitting(false);
  FrontClient client(&lab);
  EXPECT_EQ(client.Ask({"CAIRN", "DURABILITY", "async"}), kOk);
  EXPECT_EQ(client.Ask({"SET", "k", "v"}), kOk);
  EXPECT_EQ(client.Ask({"GET", "k"}), "$1\r\nv\r\n");
  FrontClient other(&lab);
  other.Do({"GET", "k"});
  EXPECT_TRUE(other.Waits()) << "others asked for what is durable";
  lab.SetCommitting(true);
  EXPECT_EQ(other.Next(), "$1\r\nv\r\n");
}

TEST(FrontTest, TransactionsGetAConnectionOfTheirOwn) {
  FrontLab lab;
  FrontClient a(&lab);
  FrontClient b(&lab);
  EXPECT_EQ(a.Ask({"MULTI"}), kOk);
  EXPECT_EQ(a.Ask({"SET", "k", "a"}), "+QUEUED\r\n");
  EXPECT_EQ(b.Ask({"SET", "k", "b"}), kOk) << "another client is not in it";
  EXPECT_EQ(a.Ask({"GET", "k"}), "+QUEUED\r\n");
  EXPECT_EQ(a.Ask({"EXEC"}), "*2\r\n+OK\r\n$1\r\na\r\n");
  EXPECT_EQ(a.Ask({"EXEC"}), "-ERR EXEC without MULTI\r\n");
  EXPECT_EQ(a.Ask({"WATCH", "k"}), kOk);
  EXPECT_EQ(b.Ask({"SET", "k", "c"}), kOk);
  EXPECT_EQ(a.Ask({"MULTI"}), kOk);
  EXPECT_EQ(a.Ask({"SET", "k", "d"}), "+QUEUED\r\n");
  EXPECT_EQ(a.Ask({"EXEC"}), "*-1\r\n") << "the watched key has changed";
  EXPECT_EQ(a.Ask({"GET", "k"}), "$1\r\nc\r\n");
  // All at once.
  a.Send(
      "*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\ne\r\n*1\r\n$4\r\nEXEC\r\n"
      "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
  EXPECT_EQ(a.Next(), kOk);
  EXPECT_EQ(a.Next(), "+QUEUED\r\n");
  EXPECT_EQ(a.Next(), "*1\r\n+OK\r\n");
  EXPECT_EQ(a.Next(), "$1\r\ne\r\n");
}

TEST(FrontTest, ATransactionWaitsForItsCommit) {
  FrontLab lab;
  lab.SetCommitting(false);
  FrontClient a(&lab);
  FrontClient reader(&lab);
  ASSERT_EQ(a.Ask({"MULTI"}), kOk);
  ASSERT_EQ(a.Ask({"SET", "k", "a"}), "+QUEUED\r\n");
  a.Do({"EXEC"});
  EXPECT_TRUE(a.Waits());
  reader.Do({"GET", "k"});
  EXPECT_TRUE(reader.Waits());
  lab.SetCommitting(true);
  EXPECT_EQ(a.Next(), "*1\r\n+OK\r\n");
  EXPECT_EQ(reader.Next(), "$1\r\na\r\n");
}

TEST(FrontTest, BlockingCommandsBlockTheirClientOnly) {
  FrontLab lab;
  FrontClient blocked(&lab);
  FrontClient pusher(&lab);
  FrontClient reader(&lab);
  blocked.Do({"BLPOP", "list", "0"});
  EXPECT_TRUE(blocked.Waits());
  EXPECT_EQ(pusher.Ask({"RPUSH", "other", "x"}), ":1\r\n");
  lab.SetCommitting(false);
  pusher.Do({"RPUSH", "list", "v"});
  EXPECT_TRUE(blocked.Waits()) << "the pop is an effect, too";
  reader.Do({"LLEN", "list"});
  EXPECT_TRUE(reader.Waits());
  lab.SetCommitting(true);
  EXPECT_EQ(pusher.Next(), ":1\r\n");
  EXPECT_EQ(blocked.Next(), "*2\r\n$4\r\nlist\r\n$1\r\nv\r\n");
  EXPECT_EQ(reader.Next(), ":0\r\n");
  EXPECT_EQ(blocked.Ask({"PING"}), "+PONG\r\n");
}

TEST(FrontTest, SubscribersHearWhatIsCommitted) {
  FrontLab lab;
  FrontClient subscriber(&lab);
  FrontClient publisher(&lab);
  EXPECT_EQ(subscriber.Ask({"SUBSCRIBE", "news"}), "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
  EXPECT_EQ(publisher.Ask({"PUBLISH", "news", "one"}), ":1\r\n");
  EXPECT_EQ(subscriber.Next(), "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$3\r\none\r\n");
  lab.SetCommitting(false);
  publisher.Do({"SET", "k", "v"});
  publisher.Do({"PUBLISH", "news", "two"});
  EXPECT_TRUE(subscriber.Waits());
  lab.SetCommitting(true);
  EXPECT_EQ(subscriber.Next(), "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$3\r\ntwo\r\n");
}

TEST(FrontTest, VersionsDatabasesAndLogins) {
  FrontLab lab({}, {"--user", "alice", "on", ">secret", "~*", "&*", "+@all"});
  FrontClient client(&lab);
  EXPECT_NE(client.Ask({"HELLO", "3"}).find("$5\r\nproto\r\n:3\r\n"), std::string::npos);
  EXPECT_EQ(client.Ask({"GET", "nothing"}), "_\r\n");
  EXPECT_EQ(client.Ask({"SET", "k", "in 0"}), kOk);
  EXPECT_EQ(client.Ask({"SELECT", "3"}), kOk);
  EXPECT_EQ(client.Ask({"GET", "k"}), "_\r\n");
  EXPECT_EQ(client.Ask({"SELECT", "99"}), "-ERR DB index is out of range\r\n");
  EXPECT_EQ(client.Ask({"AUTH", "alice", "wrong"}).substr(0, 10), "-WRONGPASS");
  EXPECT_EQ(client.Ask({"AUTH", "alice", "secret"}), kOk);
  EXPECT_EQ(client.Ask({"ACL", "WHOAMI"}), "$5\r\nalice\r\n");
  EXPECT_EQ(client.Ask({"RESET"}), "+RESET\r\n");
  EXPECT_EQ(client.Ask({"ACL", "WHOAMI"}), "$7\r\ndefault\r\n");
  EXPECT_EQ(client.Ask({"GET", "k"}), "$4\r\nin 0\r\n");
}

TEST(FrontTest, WithoutALeaseNobodyIsAnswered) {
  FrontLab lab;
  FrontClient client(&lab);
  ASSERT_EQ(client.Ask({"SET", "k", "v"}), kOk);
  lab.SetSafe(false);
  client.Do({"GET", "k"});
  EXPECT_TRUE(client.IsCut());
}

// An election there is over soon.
TEST(FrontTest, ALogThatIsGoneForAMomentIsWaitedFor) {
  FrontLab lab({.hold_timeout_us = 600 * kMicrosPerSecond});
  FrontClient client(&lab);
  lab.SetCommitting(false);
  lab.front().SetLogReachable(false);
  client.Do({"SET", "k", "v"});
  EXPECT_TRUE(client.Waits());
  lab.front().SetLogReachable(true);
  lab.SetCommitting(true);
  EXPECT_EQ(client.Next(), kOk);
}

// What lasts longer than replies may be held is refused at once.
TEST(FrontTest, ALogThatIsGoneForLongTakesNoWrites) {
  FrontLab lab({.hold_timeout_us = kMicrosPerSecond / 2});
  lab.front().SetLogReachable(false);
  // (One each: on a machine that stands still a write is held too long, and its client cut.)
  EXPECT_TRUE(lab.world().Until([&] {
    return FrontClient(&lab).Ask({"SET", "k", "v"}).starts_with("-NOREPLICAS ");
  }));
  EXPECT_EQ(FrontClient(&lab).Ask({"GET", "other"}), kNull);
}

// A log that answers and takes nothing, such as one whose disks are full.
TEST(FrontTest, WritesThatTheLogDoesNotTakeAreRefusedInTheEnd) {
  FrontOptions options;
  options.hold_timeout_us = kMicrosPerSecond / 2;
  FrontLab lab(options);
  FrontClient first(&lab);
  lab.SetCommitting(false);
  first.Do({"SET", "k", "v"});
  EXPECT_TRUE(first.IsCut()) << "nobody knows what comes of it";
  FrontClient second(&lab);
  EXPECT_EQ(second.Ask({"SET", "k", "w"}).substr(0, 37), "-NOREPLICAS the log takes no records,");
  EXPECT_EQ(second.Ask({"ECHO", "x"}), "$1\r\nx\r\n");
  lab.SetCommitting(true);
  EXPECT_TRUE(lab.world().Until([&] { return FrontClient(&lab).Ask({"SET", "k", "w"}) == kOk; }));
}

TEST(FrontTest, PausedWritesGoOnAfterwards) {
  FrontLab lab;
  FrontClient client(&lab);
  ASSERT_EQ(client.Ask({"SET", "k", "1"}), kOk);
  lab.SetMode(FrontMode::kPausing);
  client.Do({"SET", "k", "2"});
  EXPECT_TRUE(client.Waits());
  FrontClient reader(&lab);
  EXPECT_EQ(reader.Ask({"GET", "k"}), "$1\r\n1\r\n");
  std::atomic<bool> drained{false};
  lab.front().Drain([&] { drained = true; });
  EXPECT_TRUE(lab.world().Until([&] { return drained.load(); }))
      << "a paused write is not under way";
  EXPECT_TRUE(client.Waits());
  lab.SetMode(FrontMode::kPrimary);
  EXPECT_EQ(client.Next(), kOk);
}

// Replies never go to anybody else, whatever connections break meanwhile.
TEST(FrontTest, RepliesNeverCross) {
  FrontLab lab;
  Random random(7);
  std::vector<std::unique_ptr<FrontClient>> clients(12);
  std::vector<uint64_t> next(clients.size(), 0);
  for (int round = 0; round < 600; ++round) {
    const size_t who = random.Below(clients.size());
    std::unique_ptr<FrontClient>& client = clients[who];
    if (client == nullptr) client = std::make_unique<FrontClient>(&lab);
    std::string bytes;
    std::vector<std::string> expected;
    const uint64_t count = random.Between(1, 20);
    for (uint64_t i = 0; i < count; ++i) {
      const std::string token = fmt::format("{}-{}", who, next[who]++);
      switch (random.Below(3)) {
        case 0:
          AppendCommand({"ECHO", token}, &bytes);
          expected.push_back(fmt::format("${}\r\n{}\r\n", token.size(), token));
          break;
        case 1:
          AppendCommand({"SET", fmt::format("k{}", who), token}, &bytes);
          expected.emplace_back(kOk);
          AppendCommand({"GET", fmt::format("k{}", who)}, &bytes);
          expected.push_back(fmt::format("${}\r\n{}\r\n", token.size(), token));
          break;
        default:
          AppendCommand({"MULTI"}, &bytes);
          AppendCommand({"ECHO", token}, &bytes);
          AppendCommand({"EXEC"}, &bytes);
          expected.emplace_back(kOk);
          expected.emplace_back("+QUEUED\r\n");
          expected.push_back(fmt::format("*1\r\n${}\r\n{}\r\n", token.size(), token));
      }
    }
    if (random.Chance(0.2)) {  // It goes in the middle of a byte stream.
      client->Send(bytes.substr(0, random.Below(bytes.size())));
      client.reset();
      continue;
    }
    client->Send(bytes);
    for (const std::string& reply : expected) ASSERT_EQ(client->Next(), reply);
  }
}

}  // namespace
}  // namespace cairn::adapter::redis
