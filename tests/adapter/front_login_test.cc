// Logins are the engine's to judge, each time and as its users are at that moment, whatever
// connections there are of those who came before.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "adapter/redis/resp_encoder.h"
#include "tests/adapter/front_lab.h"

namespace cairn::adapter::redis {
namespace {

constexpr const char* kOk = "+OK\r\n";
constexpr const char* kPong = "+PONG\r\n";

FrontOptions OneThread() {
  FrontOptions options;
  options.io_threads = 1;  // All clients could share connections.
  return options;
}

// Of a reply.
std::string FirstWord(const std::string& reply) { return reply.substr(0, reply.find(' ')); }

std::string LogIn(FrontLab* lab, const std::string& password) {
  FrontClient client(lab);
  return FirstWord(client.Ask({"AUTH", "bob", password}));
}

TEST(FrontLoginTest, AnOldPasswordIsNone) {
  FrontLab lab(OneThread(), {"--user", "bob", "on", ">old", "~*", "&*", "+@all"});
  FrontClient early(&lab);
  ASSERT_EQ(early.Ask({"AUTH", "bob", "old"}), kOk);
  ASSERT_EQ(early.Ask({"MULTI"}), kOk);  // It has used a connection of its own, too.
  ASSERT_EQ(early.Ask({"EXEC"}), "*0\r\n");
  ASSERT_EQ(lab.engine().Ask({"ACL", "SETUSER", "bob", "resetpass", ">new"}), "OK");
  EXPECT_EQ(LogIn(&lab, "old"), "-WRONGPASS");
  FrontClient greeting(&lab);
  EXPECT_EQ(FirstWord(greeting.Ask({"HELLO", "2", "AUTH", "bob", "old"})), "-WRONGPASS");
  EXPECT_EQ(greeting.Ask({"PING"}), kPong) << "it is who it was";
  EXPECT_EQ(LogIn(&lab, "new"), kOk);
  EXPECT_EQ(early.Ask({"PING"}), kPong) << "as with Redis";
  EXPECT_EQ(FirstWord(early.Ask({"AUTH", "bob", "old"})), "-WRONGPASS");
  EXPECT_EQ(early.Ask({"ACL", "WHOAMI"}), "$3\r\nbob\r\n");
}

TEST(FrontLoginTest, WhoMustNotComeInDoesNot) {
  FrontLab lab(OneThread(), {"--user", "bob", "on", ">p", "~*", "&*", "+@all"});
  FrontClient early(&lab);
  ASSERT_EQ(early.Ask({"AUTH", "bob", "p"}), kOk);
  ASSERT_EQ(early.Ask({"PING"}), kPong);
  ASSERT_EQ(lab.engine().Ask({"ACL", "SETUSER", "bob", "off"}), "OK");
  EXPECT_EQ(LogIn(&lab, "p"), "-WRONGPASS");
  EXPECT_EQ(early.Ask({"PING"}), kPong) << "as with Redis";
  ASSERT_EQ(lab.engine().Ask({"ACL", "SETUSER", "bob", "on"}), "OK");
  EXPECT_EQ(LogIn(&lab, "p"), kOk);
  ASSERT_EQ(lab.engine().Ask({"ACL", "DELUSER", "bob"}), "1");
  // Its connection to the engine is gone, and there is no other one for a user that is none.
  EXPECT_TRUE(lab.world().Until([&] { return early.Ask({"PING"}) != kPong; }));
  EXPECT_EQ(LogIn(&lab, "p"), "-WRONGPASS");
}

// Redis judges who has not logged in when they connect.
TEST(FrontLoginTest, NobodyComesInWhereAPasswordIsAskedFor) {
  FrontLab lab(OneThread());
  FrontClient early(&lab);
  ASSERT_EQ(early.Ask({"SET", "k", "v"}), kOk);
  ASSERT_EQ(early.Ask({"MULTI"}), kOk);
  ASSERT_EQ(early.Ask({"EXEC"}), "*0\r\n");
  ASSERT_EQ(lab.engine().Ask({"ACL", "SETUSER", "default", ">secret"}), "OK");
  FrontClient late(&lab);
  EXPECT_EQ(FirstWord(late.Ask({"GET", "k"})), "-NOAUTH");
  EXPECT_EQ(FirstWord(late.Ask({"MULTI"})), "-NOAUTH");
  EXPECT_EQ(FirstWord(late.Ask({"AUTH", "wrong"})), "-WRONGPASS");
  EXPECT_EQ(late.Ask({"AUTH", "secret"}), kOk);
  EXPECT_EQ(late.Ask({"GET", "k"}), "$1\r\nv\r\n");
  EXPECT_EQ(early.Ask({"GET", "k"}), "$1\r\nv\r\n");
  EXPECT_EQ(early.Ask({"RESET"}), "+RESET\r\n");
  EXPECT_EQ(FirstWord(early.Ask({"GET", "k"})), "-NOAUTH");
  ASSERT_EQ(lab.engine().Ask({"ACL", "SETUSER", "default", "nopass"}), "OK");
  FrontClient later(&lab);
  EXPECT_EQ(later.Ask({"GET", "k"}), "$1\r\nv\r\n");
  EXPECT_EQ(later.Ask({"AUTH", "default", "whatever"}), kOk);
  EXPECT_EQ(later.Ask({"AUTH", "whatever"}).substr(0, 20), "-ERR AUTH <password>");
}

// One that is refused is no worse off than before, and those who ask beside it get their own
// answers.
TEST(FrontLoginTest, ManyAreJudgedAtOnce) {
  FrontLab lab(OneThread(), {"--user", "bob", "on", ">p", "~*", "&*", "+@all"});
  constexpr size_t kClients = 20;
  std::vector<std::unique_ptr<FrontClient>> clients;
  for (size_t i = 0; i < kClients; ++i) {
    clients.push_back(std::make_unique<FrontClient>(&lab));
    if (i % 3 != 0) clients.back()->Do({"AUTH", "bob", i % 3 == 1 ? "p" : "wrong"});
    clients.back()->Do({"ACL", "WHOAMI"});
  }
  for (size_t i = 0; i < kClients; ++i) {
    if (i % 3 != 0) {
      EXPECT_EQ(FirstWord(clients[i]->Next()), i % 3 == 1 ? kOk : "-WRONGPASS");
    }
    EXPECT_EQ(clients[i]->Next(), i % 3 == 1 ? "$3\r\nbob\r\n" : "$7\r\ndefault\r\n");
  }
}

}  // namespace
}  // namespace cairn::adapter::redis
