// What a client is told of how durable its writes are: replies of both modes, WAIT, CAIRN SEQ.
#include <gtest/gtest.h>

#include <charconv>
#include <string>

#include "adapter/redis/resp_encoder.h"
#include "tests/adapter/front_lab.h"

namespace cairn::adapter::redis {
namespace {

constexpr const char* kOk = "+OK\r\n";
constexpr const char* kNull = "$-1\r\n";
constexpr const char* kCommitted = ":1\r\n";  // A majority of the lab's three, less one.

void SetAsync(FrontClient& client) { ASSERT_EQ(client.Ask({"CAIRN", "DURABILITY", "async"}), kOk); }

// Of an integer reply; 0 if it is none.
int64_t Number(const std::string& reply) {
  int64_t number = 0;
  if (reply.starts_with(':'))
    std::from_chars(reply.data() + 1, reply.data() + reply.size(), number);
  return number;
}

TEST(FrontDurabilityTest, AWriteIsAnsweredAsItWasAskedFor) {
  FrontLab lab;
  lab.SetCommitting(false);
  FrontClient client(&lab);
  client.Send(EncodeCommand({"SET", "k", "v"}) + EncodeCommand({"CAIRN", "DURABILITY", "async"}));
  EXPECT_TRUE(client.Waits()) << "what was written before the change waits";
  lab.SetCommitting(true);
  EXPECT_EQ(client.Next(), kOk);
  EXPECT_EQ(client.Next(), kOk);
  lab.SetCommitting(false);
  client.Send(EncodeCommand({"SET", "k", "w"}) + EncodeCommand({"CAIRN", "DURABILITY", "sync"}));
  EXPECT_EQ(client.Next(), kOk) << "what was written before the change does not wait";
  EXPECT_EQ(client.Next(), kOk);
  client.Do({"SET", "k", "x"});
  EXPECT_TRUE(client.Waits());
}

TEST(FrontDurabilityTest, WaitComesBehindRepliesThatWait) {
  FrontLab lab;
  lab.SetCommitting(false);
  FrontClient client(&lab);
  EXPECT_EQ(client.Ask({"WAIT", "1", "0"}), kCommitted) << "nothing was written";
  client.Send(EncodeCommand({"SET", "k", "v"}) + EncodeCommand({"WAIT", "1", "1"}));
  EXPECT_TRUE(client.Waits());
  lab.SetCommitting(true);
  EXPECT_EQ(client.Next(), kOk);
  EXPECT_EQ(client.Next(), kCommitted);
}

TEST(FrontDurabilityTest, WaitWaitsForWhatWasAnsweredFirst) {
  FrontLab lab;
  lab.SetCommitting(false);
  FrontClient client(&lab);
  SetAsync(client);
  ASSERT_EQ(client.Ask({"SET", "k", "v"}), kOk);
  EXPECT_EQ(client.Ask({"WAIT", "0", "0"}), ":0\r\n") << "nobody is waited for";
  client.Do({"WAIT", "1", "0"});
  EXPECT_TRUE(client.Waits());
  lab.SetCommitting(true);
  EXPECT_EQ(client.Next(), kCommitted);
  EXPECT_EQ(client.Ask({"WAIT", "1", "0"}), kCommitted);
}

TEST(FrontDurabilityTest, WaitEndsWhenItsTimeIsUp) {
  FrontLab lab;
  lab.SetCommitting(false);
  FrontClient client(&lab);
  SetAsync(client);
  client.Send(EncodeCommand({"SET", "k", "v"}) + EncodeCommand({"WAIT", "1", "30"}) +
              EncodeCommand({"ECHO", "x"}));
  EXPECT_EQ(client.Next(), kOk);
  EXPECT_EQ(client.Next(), ":0\r\n");
  EXPECT_EQ(client.Next(), "$1\r\nx\r\n");
  ASSERT_EQ(client.Ask({"CAIRN", "DURABILITY", "sync"}), kOk);
  EXPECT_EQ(client.Ask({"WAIT", "1", "30"}), ":0\r\n") << "the write is as uncommitted as before";
  EXPECT_EQ(client.Ask({"WAIT", "1", "-1"}), "-ERR timeout is negative\r\n");
}

TEST(FrontDurabilityTest, SeqIsThatOfTheLastWrite) {
  FrontLab lab;
  FrontClient client(&lab);
  EXPECT_EQ(client.Ask({"CAIRN", "SEQ"}), kNull);
  ASSERT_EQ(client.Ask({"SET", "k", "v"}), kOk);
  const int64_t first = Number(client.Ask({"CAIRN", "SEQ"}));
  EXPECT_GT(first, 0);
  client.Send(EncodeCommand({"SET", "k", "w"}) + EncodeCommand({"CAIRN", "SEQ"}));
  EXPECT_EQ(client.Next(), kOk);
  const int64_t second = Number(client.Next());
  EXPECT_GT(second, first);
  SetAsync(client);
  lab.SetCommitting(false);
  client.Send(EncodeCommand({"SET", "k", "x"}) + EncodeCommand({"CAIRN", "SEQ"}));
  EXPECT_EQ(client.Next(), kOk);
  EXPECT_EQ(client.Next(), kNull) << "not that of the write before";
  lab.SetCommitting(true);
  EXPECT_EQ(client.Ask({"WAIT", "1", "0"}), kCommitted);
  EXPECT_GT(Number(client.Ask({"CAIRN", "SEQ"})), second);
}

TEST(FrontDurabilityTest, WhatBlockedIsAWriteLikeOthers) {
  FrontLab lab;
  FrontClient popper(&lab);
  FrontClient pusher(&lab);
  ASSERT_EQ(popper.Ask({"SET", "k", "v"}), kOk);
  int64_t last = Number(popper.Ask({"CAIRN", "SEQ"}));
  for (const char* mode : {"sync", "async"}) {
    ASSERT_EQ(popper.Ask({"CAIRN", "DURABILITY", mode}), kOk);
    popper.Do({"BLPOP", "list", "0"});
    EXPECT_TRUE(popper.Waits());
    ASSERT_EQ(pusher.Ask({"RPUSH", "list", "v"}), ":1\r\n");
    EXPECT_EQ(popper.Next(), "*2\r\n$4\r\nlist\r\n$1\r\nv\r\n");
    EXPECT_EQ(popper.Ask({"WAIT", "1", "0"}), kCommitted);
    const int64_t seq = Number(popper.Ask({"CAIRN", "SEQ"}));
    EXPECT_GT(seq, last) << mode;
    last = seq;
  }
  lab.SetCommitting(false);
  ASSERT_EQ(pusher.Ask({"CAIRN", "DURABILITY", "async"}), kOk);
  ASSERT_EQ(pusher.Ask({"RPUSH", "list", "w"}), ":1\r\n");
  EXPECT_EQ(popper.Ask({"BLPOP", "list", "0"}), "*2\r\n$4\r\nlist\r\n$1\r\nw\r\n");
  EXPECT_EQ(popper.Ask({"WAIT", "1", "30"}), ":0\r\n");
  EXPECT_EQ(popper.Ask({"CAIRN", "SEQ"}), kNull);
}

// What one io thread has written is behind for all.
TEST(FrontDurabilityTest, TheLagIsBoundedForTheWholeAgent) {
  FrontOptions options;
  options.io_threads = 2;
  options.durability = Durability::kAsync;
  options.lag.max_bytes = 1000;
  FrontLab lab(options);
  FrontClient first(&lab);
  FrontClient second(&lab);  // Clients go to the threads in turn.
  ASSERT_EQ(second.Ask({"PING"}), "+PONG\r\n");
  lab.SetCommitting(false);
  ASSERT_EQ(first.Ask({"SET", "k", std::string(2000, 'x')}), kOk);
  EXPECT_TRUE(lab.world().Until([&] {
    return first.Ask({"SET", "k", "v"}).starts_with("-CAIRNLAG ");
  }));
  EXPECT_EQ(second.Ask({"SET", "k", "v"}).substr(0, 10), "-CAIRNLAG ");
  lab.SetCommitting(true);
  EXPECT_TRUE(lab.world().Until([&] { return second.Ask({"SET", "k", "v"}) == kOk; }));
}

}  // namespace
}  // namespace cairn::adapter::redis
