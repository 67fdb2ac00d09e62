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

size_t CountLines(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

FrontOptions ThreeThreads() {
  FrontOptions options;
  options.io_threads = 3;
  return options;
}

TEST(FrontClientsTest, ClientsOfAllThreadsAreListed) {
  FrontLab lab(ThreeThreads());
  std::vector<std::unique_ptr<FrontClient>> clients;
  for (int i = 0; i < 6; ++i) {
    clients.push_back(std::make_unique<FrontClient>(&lab));
    ASSERT_EQ(clients[i]->Ask({"CLIENT", "SETNAME", fmt::format("c{}", i)}), kOk);
  }
  clients[1]->Do({"BLPOP", "list", "0"});
  ASSERT_TRUE(Blocked(lab, "1"));
  ASSERT_EQ(clients[2]->Ask({"MULTI"}), kOk);
  EXPECT_NE(clients[3]->Ask({"SUBSCRIBE", "news"}).find("news"), std::string::npos);
  const std::string all = clients[0]->Ask({"CLIENT", "LIST"});
  EXPECT_EQ(CountLines(all, "\nid="), 6u) << all;
  EXPECT_EQ(CountLines(all, " name=c1 "), 1u) << all;
  EXPECT_EQ(CountLines(all, " flags=b "), 1u) << all;
  EXPECT_EQ(CountLines(all, " flags=x "), 1u) << all;
  EXPECT_EQ(CountLines(clients[0]->Ask({"CLIENT", "LIST", "TYPE", "pubsub"}), "name=c3"), 1u);
  const std::string own = clients[0]->Ask({"CLIENT", "ID"}).substr(1);
  const std::string one = clients[4]->Ask({"CLIENT", "LIST", "ID", own.substr(0, own.size() - 2)});
  EXPECT_EQ(CountLines(one, "id="), 1u);
  EXPECT_EQ(CountLines(one, " name=c0 "), 1u) << one;
  EXPECT_EQ(clients[0]->Ask({"CLIENT", "LIST", "TYPE", "odd"}), "-ERR Unknown client type\r\n");
}

// The value of `field` in a client's own line.
std::string OwnField(FrontClient& client, const std::string& field) {
  const std::string line = client.Ask({"CLIENT", "INFO"});
  const size_t begin = line.find(" " + field + "=") + field.size() + 2;
  return line.substr(begin, line.find(' ', begin) - begin);
}

TEST(FrontClientsTest, ClientsOfAllThreadsAreKilled) {
  FrontLab lab(ThreeThreads());
  FrontClient killer(&lab);
  auto made = [&] { return std::make_unique<FrontClient>(&lab); };
  const auto id_of = [](FrontClient& client) {
    const std::string reply = client.Ask({"CLIENT", "ID"});
    return reply.substr(1, reply.size() - 3);
  };
  auto by_id = made();
  EXPECT_EQ(killer.Ask({"CLIENT", "KILL", "ID", id_of(*by_id)}), ":1\r\n");
  EXPECT_TRUE(by_id->IsCut());
  auto by_address = made();
  EXPECT_EQ(killer.Ask({"CLIENT", "KILL", "ADDR", OwnField(*by_address, "addr")}), ":1\r\n");
  EXPECT_TRUE(by_address->IsCut());
  auto old_form = made();
  EXPECT_EQ(killer.Ask({"CLIENT", "KILL", OwnField(*old_form, "addr")}), kOk);
  EXPECT_TRUE(old_form->IsCut());
  EXPECT_EQ(killer.Ask({"CLIENT", "KILL", "127.0.0.1:1"}), "-ERR No such client\r\n");
  EXPECT_EQ(killer.Ask({"CLIENT", "KILL", "ID", "0"}),
            "-ERR client-id should be greater than 0\r\n");
  EXPECT_EQ(killer.Ask({"CLIENT", "KILL", "ID", "1", "ODD", "x"}), "-ERR syntax error\r\n");
  auto subscriber = made();
  ASSERT_NE(subscriber->Ask({"SUBSCRIBE", "news"}), "");
  EXPECT_EQ(killer.Ask({"CLIENT", "KILL", "TYPE", "pubsub"}), ":1\r\n");
  EXPECT_TRUE(subscriber->IsCut());
  EXPECT_EQ(killer.Ask({"CLIENT", "KILL", "TYPE", "replica"}), ":0\r\n");
  auto other = made();
  ASSERT_EQ(other->Ask({"PING"}), "+PONG\r\n");
  EXPECT_EQ(killer.Ask({"CLIENT", "KILL", "USER", "default", "LADDR", lab.front().address()}),
            ":1\r\n")
      << "not itself";
  EXPECT_TRUE(other->IsCut());
  EXPECT_EQ(killer.Ask({"CLIENT", "KILL", "USER", "default", "SKIPME", "no"}), ":1\r\n");
  EXPECT_TRUE(killer.IsCut()) << "once it was answered";
}

TEST(FrontClientsTest, ABlockedClientIsUnblockedByAnother) {
  FrontLab lab(ThreeThreads());
  FrontClient blocked(&lab);
  FrontClient other(&lab);
  const std::string reply = blocked.Ask({"CLIENT", "ID"});
  const std::string id = reply.substr(1, reply.size() - 3);
  EXPECT_EQ(other.Ask({"CLIENT", "UNBLOCK", id}), ":0\r\n") << "it does not block";
  blocked.Do({"BLPOP", "list", "0"});
  ASSERT_TRUE(Blocked(lab, "1"));
  EXPECT_EQ(other.Ask({"CLIENT", "UNBLOCK", id}), ":1\r\n");
  EXPECT_EQ(blocked.Next(), "*-1\r\n");
  blocked.Do({"BLPOP", "list", "0"});
  ASSERT_TRUE(Blocked(lab, "1"));
  EXPECT_EQ(other.Ask({"CLIENT", "UNBLOCK", id, "ERROR"}), ":1\r\n");
  EXPECT_EQ(blocked.Next().substr(0, 10), "-UNBLOCKED");
}

// What the engine would forbid a user, the agent does not do for it.
TEST(FrontClientsTest, UsersMayDoWhatTheEngineLetsThem) {
  FrontLab lab({}, {"--user", "bob", "on", ">secret", "~*", "&*", "+@all", "-@dangerous"});
  FrontClient bob(&lab);
  FrontClient other(&lab);
  ASSERT_EQ(bob.Ask({"AUTH", "bob", "secret"}), kOk);
  EXPECT_EQ(bob.Ask({"CLIENT", "KILL", "TYPE", "normal"}).substr(0, 7), "-NOPERM");
  EXPECT_EQ(bob.Ask({"CLIENT", "LIST"}).substr(0, 7), "-NOPERM");
  EXPECT_EQ(bob.Ask({"CLIENT", "UNBLOCK", "1"}).substr(0, 7), "-NOPERM");
  EXPECT_EQ(bob.Ask({"SET", "k", "v"}), kOk) << "it goes on";
  EXPECT_EQ(other.Ask({"PING"}), "+PONG\r\n");
}

TEST(FrontClientsTest, TheAgentsOwnUserIsLeftAlone) {
  FrontLab lab;
  FrontClient client(&lab);
  EXPECT_EQ(client.Ask({"ACL", "SETUSER", "default", "off"}).substr(0, 31),
            "-ERR ACL SETUSER is refused: th");
  EXPECT_EQ(client.Ask({"ACL", "DELUSER", "bob", "default"}).substr(0, 28),
            "-ERR ACL DELUSER is refused:");
  EXPECT_EQ(client.Ask({"ACL", "SETUSER", "bob", "on"}), kOk);
  EXPECT_EQ(client.Ask({"ACL", "DELUSER", "bob"}), ":1\r\n");
}

// As a command that the engine itself refuses to queue: EXEC does nothing.
TEST(FrontClientsTest, WhatIsRefusedInsideATransactionEndsIt) {
  FrontLab lab;
  FrontClient client(&lab);
  for (const std::vector<std::string>& refused :
       std::vector<std::vector<std::string>>{{"SHUTDOWN"},
                                             {"SELECT", "3"},
                                             {"CLIENT", "KILL", "TYPE", "normal"},
                                             {"SUBSCRIBE", "news"}}) {
    ASSERT_EQ(client.Ask({"MULTI"}), kOk);
    EXPECT_EQ(client.Ask({"SET", "k", "v"}), "+QUEUED\r\n");
    EXPECT_EQ(client.Ask(refused).substr(0, 5), "-ERR ") << refused[0];
    EXPECT_EQ(client.Ask({"EXEC"}).substr(0, 10), "-EXECABORT");
    EXPECT_EQ(client.Ask({"GET", "k"}), "$-1\r\n");
  }
  ASSERT_EQ(client.Ask({"MULTI"}), kOk);
  EXPECT_EQ(client.Ask({"RESET"}), "+RESET\r\n");
  EXPECT_EQ(client.Ask({"SET", "k", "v"}), kOk);
  ASSERT_EQ(client.Ask({"MULTI"}), kOk);
  EXPECT_EQ(client.Ask({"QUIT"}), kOk);
  EXPECT_TRUE(client.IsCut());
}

// Too many arguments, or too few: whatever the command is, the transaction goes on, and does
// nothing at its EXEC.
TEST(FrontClientsTest, AMistakeInsideATransactionSpoilsIt) {
  FrontLab lab;
  FrontClient client(&lab);
  for (const std::vector<std::string>& mistake : std::vector<std::vector<std::string>>{
           {"RESET", "x"}, {"DISCARD", "x"}, {"MULTI", "x"}, {"WATCH"}, {"SELECT"}, {"GET"}}) {
    ASSERT_EQ(client.Ask({"MULTI"}), kOk);
    EXPECT_EQ(client.Ask(mistake).substr(0, 5), "-ERR ") << mistake[0];
    EXPECT_EQ(client.Ask({"SET", "k", "v"}), "+QUEUED\r\n") << mistake[0];
    EXPECT_EQ(client.Ask({"EXEC"}).substr(0, 10), "-EXECABORT") << mistake[0];
    EXPECT_EQ(client.Ask({"GET", "k"}), "$-1\r\n") << mistake[0];
  }
}

}  // namespace
}  // namespace cairn::adapter::redis
