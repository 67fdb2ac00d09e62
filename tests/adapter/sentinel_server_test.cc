// The port on which an agent plays Sentinel, over sockets.
#include "adapter/redis/discovery/sentinel_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/adapter/cache_views.h"
#include "tests/support/resp_client.h"

namespace cairn::adapter::redis {
namespace {

using ::cairn::testing::RespClient;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::vector<std::string> Texts(const std::optional<RespValue>& reply) {
  std::vector<std::string> texts;
  if (!reply) return {"no reply"};
  if (reply->items.empty()) texts.push_back(reply->text);
  for (const RespValue& item : reply->items) texts.push_back(item.text);
  return texts;
}

class SentinelServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto server = SentinelServer::Start({.listen = "127.0.0.1:0", .own_address = "10.0.0.1:1"});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    server_->SetView(ViewOfOneLog());
  }
  std::unique_ptr<RespClient> Connect() { return RespClient::Connect(server_->address()); }
  void MoveTo(const std::string& address) {
    CacheView view = ViewOfOneLog();
    view.primary_address = address;
    server_->SetView(std::move(view));
  }

  std::unique_ptr<SentinelServer> server_;
};

TEST_F(SentinelServerTest, AnswersWhatClientsAskOnTheirWayToThePrimary) {
  const auto client = Connect();
  EXPECT_THAT(Texts(client->Do({"CLIENT", "SETNAME", "x"})), ElementsAre("OK"));
  EXPECT_THAT(Texts(client->Do({"SENTINEL", "get-master-addr-by-name", "cache"})),
              ElementsAre("10.0.0.1", "2"));
  EXPECT_THAT(Texts(client->Do({"ROLE"}))[0], "sentinel");
  EXPECT_THAT(client->Do({"INFO"})->text,
              HasSubstr("master0:name=cache,status=ok,address=10.0.0.1:2,slaves=2,sentinels=3"));
  EXPECT_THAT(client->Do({"GET", "k"})->text, HasSubstr("data is served at 10.0.0.1:1"));
  EXPECT_THAT(Texts(client->Do({"PING"})), ElementsAre("PONG"));
  EXPECT_THAT(Texts(client->Do({"QUIT"})), ElementsAre("OK"));
  EXPECT_FALSE(client->Next().has_value());
}

TEST_F(SentinelServerTest, TellsSubscribersOfAnotherPrimary) {
  const auto by_name = Connect();
  const auto by_pattern = Connect();
  const auto in_resp3 = Connect();
  EXPECT_THAT(Texts(by_name->Do({"SUBSCRIBE", "+switch-master"})),
              ElementsAre("subscribe", "+switch-master", ""));
  EXPECT_THAT(Texts(by_pattern->Do({"PSUBSCRIBE", "+switch*"}))[0], "psubscribe");
  ASSERT_TRUE(in_resp3->Do({"HELLO", "3"}).has_value());
  EXPECT_TRUE(in_resp3->Do({"SUBSCRIBE", "+switch-master"}).has_value());
  // In subscribed mode of RESP2.
  EXPECT_THAT(Texts(by_name->Do({"PING"})), ElementsAre("pong", ""));

  MoveTo("10.0.0.1:3");
  EXPECT_THAT(Texts(by_name->Next()),
              ElementsAre("message", "+switch-master", "cache 10.0.0.1 2 10.0.0.1 3"));
  EXPECT_THAT(Texts(by_pattern->Next()),
              ElementsAre("pmessage", "+switch*", "+switch-master", "cache 10.0.0.1 2 10.0.0.1 3"));
  EXPECT_THAT(Texts(in_resp3->Next())[0], "message");
  // Others go on as before, and a subscription can be ended.
  EXPECT_THAT(Texts(by_name->Do({"UNSUBSCRIBE"})),
              ElementsAre("unsubscribe", "+switch-master", ""));
  MoveTo("10.0.0.1:1");
  EXPECT_THAT(Texts(by_pattern->Next())[0], "pmessage");
  EXPECT_THAT(Texts(by_name->Do({"PING"})), ElementsAre("PONG"));
}

TEST_F(SentinelServerTest, RefusesWithoutEndWhatHasNone) {
  const auto client = Connect();
  std::vector<std::string> argv = {"SUBSCRIBE"};
  for (int i = 0; i < 300; ++i) argv.push_back(std::to_string(i));
  EXPECT_THAT(client->Do(argv)->text, StartsWith("ERR too many channels"));
  EXPECT_THAT(client->Do({"ECHO", std::string(20'000, 'x')})->text,
              StartsWith("ERR Protocol error"));
  EXPECT_FALSE(client->Next().has_value());
}

TEST_F(SentinelServerTest, AnAddressThatIsNoneIsAnError) {
  EXPECT_EQ(SentinelServer::Start({.listen = "nowhere"}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(SentinelServer::Start({.listen = server_->address()}).status().code(),
            absl::StatusCode::kUnavailable);
}

TEST_F(SentinelServerTest, StopCutsClients) {
  const auto client = Connect();
  EXPECT_TRUE(client->Do({"PING"}).has_value());
  server_->Stop();
  EXPECT_FALSE(client->Next().has_value());
}

}  // namespace
}  // namespace cairn::adapter::redis
