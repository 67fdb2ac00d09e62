// The front over a real engine: clients that leave, are killed or ask who there is.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "adapter/redis/resp_encoder.h"
#include "base/clock.h"
#include "tests/adapter/front_lab.h"

namespace cairn::adapter::redis {
namespace {

constexpr const char* kOk = "+OK\r\n";

// So many clients of the engine wait in a blocking command.
bool Blocked(FrontLab& lab, const char* count) {
  const std::string line = fmt::format("blocked_clients:{}\r\n", count);
  return lab.world().Until([&] {
    return lab.engine().Ask({"INFO", "clients"}).find(line) != std::string::npos;
  });
}

TEST(FrontClientsTest, WhoLeavesWhileItBlocksTakesNothing) {
  FrontLab lab;
  auto blocked = std::make_unique<FrontClient>(&lab);
  FrontClient pusher(&lab);
  blocked->Do({"BLMOVE", "from", "to", "LEFT", "LEFT", "0"});
  ASSERT_TRUE(Blocked(lab, "1"));
  blocked.reset();
  ASSERT_TRUE(Blocked(lab, "0"));
  EXPECT_EQ(pusher.Ask({"RPUSH", "from", "v"}), ":1\r\n");
  EXPECT_EQ(pusher.Ask({"LLEN", "from"}), ":1\r\n");
}

// The pop is an effect like any other, be there a client for its reply or not.
TEST(FrontClientsTest, WhatWasTakenForOneThatLeftIsNotShownBeforeItIsCommitted) {
  FrontLab lab;
  auto blocked = std::make_unique<FrontClient>(&lab);
  FrontClient pusher(&lab);
  FrontClient reader(&lab);
  blocked->Do({"BLMOVE", "from", "to", "LEFT", "LEFT", "0"});
  ASSERT_TRUE(Blocked(lab, "1"));
  lab.SetCommitting(false);
  pusher.Do({"RPUSH", "from", "v"});
  ASSERT_TRUE(Blocked(lab, "0"));
  blocked.reset();
  EXPECT_TRUE(pusher.Waits());
  reader.Do({"LRANGE", "to", "0", "-1"});
  EXPECT_TRUE(reader.Waits());
  lab.SetCommitting(true);
  EXPECT_EQ(reader.Next(), "*1\r\n$1\r\nv\r\n");
  EXPECT_EQ(pusher.Next(), ":1\r\n");
}

// Each key is read once it has expired, and the deletion that this causes is not committed.
TEST(FrontClientsTest, AbsenceIsToldWhenItIsCommitted) {
  FrontLab lab;
  FrontClient client(&lab);
  const std::vector<std::vector<std::string>> questions = {
      {"EXISTS", "k"}, {"TTL", "k"}, {"MGET", "other", "k"}, {"HGETALL", "k"}, {"TYPE", "k"}};
  const std::vector<std::string> answers = {":0\r\n", ":-2\r\n", "*2\r\n$1\r\nv\r\n$-1\r\n",
                                            "*0\r\n", "+none\r\n"};
  ASSERT_EQ(client.Ask({"SET", "other", "v"}), kOk);
  ASSERT_EQ(client.Ask({"DEBUG", "SET-ACTIVE-EXPIRE", "0"}), kOk);
  for (size_t i = 0; i < questions.size(); ++i) {
    ASSERT_EQ(client.Ask({"SET", "k", "v", "PX", "1"}), kOk);
    const MonoMicros expired_us = SystemClock().Mono() + 2 * kMicrosPerMilli;
    ASSERT_TRUE(lab.world().Until([&] { return SystemClock().Mono() > expired_us; }));
    lab.SetCommitting(false);
    client.Do(questions[i]);
    EXPECT_TRUE(client.Waits()) << questions[i][0];
    lab.SetCommitting(true);
    EXPECT_EQ(client.Next(), answers[i]);
  }
}

// A reply that comes behind MULTI's request, but belongs to one before it, begins no transaction.
TEST(FrontClientsTest, ATransactionBeginsWithItsOwnReply) {
  FrontLab lab;
  FrontClient client(&lab);
  ASSERT_EQ(client.Ask({"SET", "big", std::string(4 << 20, 'x')}), kOk);
  ASSERT_EQ(client.Ask({"WATCH", "k"}), kOk);
  lab.SetCommitting(false);
  client.Send(EncodeCommand({"ECHO", "first"}) + EncodeCommand({"GET", "big"}) +
              EncodeCommand({"MULTI"}) + EncodeCommand({"SET", "k", "v"}) +
              EncodeCommand({"EXEC"}));
  EXPECT_EQ(client.Next(), "$5\r\nfirst\r\n");
  EXPECT_EQ(client.Next().size(), (4u << 20) + 12);
  EXPECT_EQ(client.Next(), kOk);
  EXPECT_EQ(client.Next(), "+QUEUED\r\n");
  EXPECT_TRUE(client.Waits());
  lab.SetCommitting(true);
  EXPECT_EQ(client.Next(), "*1\r\n+OK\r\n");
}

TEST(FrontClientsTest, InfoTellsOfTheCache) {
  FrontLab lab;
  FrontClient client(&lab);
  CacheView view;
  view.agents = {{.name = "a", .address = lab.front().address()},
                 {.name = "b", .address = "127.0.0.9:7009"}};
  lab.front().SetView(view);
  const std::string replication = client.Ask({"INFO", "replication"});
  EXPECT_NE(replication.find("connected_slaves:1\r\nslave0:ip=127.0.0.9,port=7009,"),
            std::string::npos)
      << replication;
  EXPECT_EQ(client.Ask({"INFO", "nonsense"}), "$0\r\n\r\n");
  EXPECT_NE(client.Ask({"HELLO", "3"}).find("server"), std::string::npos);
  const std::string all = client.Ask({"INFO", "everything"});
  EXPECT_EQ(all.substr(0, 1), "=") << "a verbatim string";
  EXPECT_NE(all.find("connected_clients:1\r\n"), std::string::npos);
}

}  // namespace
}  // namespace cairn::adapter::redis
