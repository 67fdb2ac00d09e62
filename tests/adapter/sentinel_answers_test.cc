// Sentinel's answers and events, word for word.
#include "adapter/redis/discovery/sentinel_answers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "adapter/redis/discovery/cluster_map.h"
#include "adapter/redis/resp_value.h"
#include "tests/adapter/cache_views.h"

namespace cairn::adapter::redis {
namespace {

using ::testing::ElementsAre;
using ::testing::IsSupersetOf;
using ::testing::Pair;
using ::testing::StartsWith;

RespValue Answer(const CacheView& view, std::vector<std::string_view> words) {
  words.insert(words.begin(), "SENTINEL");
  std::string reply;
  ReplyWriter writer(RespVersion::k2, &reply);
  AnswerSentinel(view, {.address = "10.0.0.1:1"}, words, &writer);
  auto value = ReadRespValue(reply);
  EXPECT_TRUE(value.ok()) << reply;
  return *std::move(value);
}

std::map<std::string, std::string> Fields(const RespValue& list) {
  std::map<std::string, std::string> fields;
  for (size_t i = 0; i + 1 < list.items.size(); i += 2) {
    fields[list.items[i].text] = list.items[i + 1].text;
  }
  return fields;
}

TEST(SentinelAnswersTest, TheAddressOfThePrimary) {
  const RespValue reply = Answer(ViewOfOneLog(), {"get-master-addr-by-name", "cache"});
  ASSERT_EQ(reply.items.size(), 2u);
  EXPECT_EQ(reply.items[0].text, "10.0.0.1");
  EXPECT_EQ(reply.items[1].text, "2");
}

TEST(SentinelAnswersTest, NoAddressIsANullList) {
  CacheView view = ViewOfOneLog();
  for (const std::string_view name : {"cache", "other"}) {
    if (name == "cache") view.primary_address = "";
    std::string reply;
    ReplyWriter writer(RespVersion::k2, &reply);
    AnswerSentinel(view, {},
                   std::vector<std::string_view>{"SENTINEL", "GET-MASTER-ADDR-BY-NAME", name},
                   &writer);
    EXPECT_EQ(reply, "*-1\r\n");
  }
}

TEST(SentinelAnswersTest, AMasterIsALog) {
  const auto fields = Fields(Answer(ViewOfOneLog(), {"MASTER", "cache"}));
  EXPECT_THAT(fields,
              IsSupersetOf({Pair("name", "cache"), Pair("ip", "10.0.0.1"), Pair("port", "2"),
                            Pair("flags", "master"), Pair("num-slaves", "2"),
                            Pair("num-other-sentinels", "2"), Pair("config-epoch", "7"),
                            Pair("runid", NodeId("b").c_str())}));
  CacheView view = ViewOfOneLog();
  view.primary_address = view.primary_name = "";
  EXPECT_EQ(Fields(Answer(view, {"MASTER", "cache"}))["flags"], "master,s_down,o_down");
  EXPECT_EQ(Answer(view, {"MASTER", "other"}).text, "ERR No such master with that name");
}

TEST(SentinelAnswersTest, EachLogOfACacheIsAMaster) {
  std::vector<std::string> names;
  for (const RespValue& master : Answer(ViewOfThreeLogs(), {"MASTERS"}).items) {
    names.push_back(Fields(master)["name"]);
  }
  EXPECT_THAT(names, ElementsAre("cache/2", "cache/1", "cache/3"));
}

TEST(SentinelAnswersTest, ReplicasAreTheOtherAgents) {
  for (const std::string_view word : {"REPLICAS", "slaves"}) {
    const RespValue replicas = Answer(ViewOfOneLog(), {word, "cache"});
    ASSERT_EQ(replicas.items.size(), 2u);
    EXPECT_THAT(Fields(replicas.items[1]),
                IsSupersetOf({Pair("name", "10.0.0.1:3"), Pair("ip", "10.0.0.1"), Pair("port", "3"),
                              Pair("flags", "slave"), Pair("master-host", "10.0.0.1"),
                              Pair("master-port", "2"), Pair("master-link-status", "ok")}));
  }
}

TEST(SentinelAnswersTest, SentinelsAreTheOtherAgentsWhereTheySaySo) {
  CacheView view = ViewOfOneLog();
  view.agents[2].sentinel = "10.0.0.1:33";
  const RespValue sentinels = Answer(view, {"SENTINELS", "cache"});
  ASSERT_EQ(sentinels.items.size(), 2u);
  EXPECT_THAT(Fields(sentinels.items[0]), IsSupersetOf({Pair("port", "2")}));
  EXPECT_THAT(Fields(sentinels.items[1]),
              IsSupersetOf({Pair("ip", "10.0.0.1"), Pair("port", "33"), Pair("flags", "sentinel"),
                            Pair("runid", NodeId("c").c_str())}));
}

TEST(SentinelAnswersTest, SmallOnes) {
  EXPECT_EQ(Answer(ViewOfOneLog(), {"MYID"}).text, NodeId("a"));
  EXPECT_THAT(Answer(ViewOfOneLog(), {"CKQUORUM", "cache"}).text, StartsWith("OK 3 usable"));
  const RespValue down =
      Answer(ViewOfOneLog(), {"IS-MASTER-DOWN-BY-ADDR", "10.0.0.1", "2", "0", "*"});
  ASSERT_EQ(down.items.size(), 3u);
  EXPECT_EQ(down.items[0].integer, 0);
  EXPECT_EQ(Answer(ViewOfOneLog(), {"IS-MASTER-DOWN-BY-ADDR", "10.0.0.1", "1", "0", "*"})
                .items[0]
                .integer,
            1);
  EXPECT_THAT(Answer(ViewOfOneLog(), {"FAILOVER", "cache"}).text, StartsWith("ERR nothing is set"));
  EXPECT_THAT(Answer(ViewOfOneLog(), {"NONSENSE"}).text, StartsWith("ERR unknown subcommand"));
}

TEST(SentinelNewsTest, AnotherPrimaryIsASwitchFromTheOldToTheNew) {
  SentinelNews news;
  CacheView view = ViewOfOneLog();
  EXPECT_TRUE(news.Take(view).empty());
  EXPECT_TRUE(news.Take(view).empty());
  view.primary_address = "10.0.0.1:3";
  EXPECT_THAT(news.Take(view),
              ElementsAre(SentinelEvent{"+switch-master", "cache 10.0.0.1 2 10.0.0.1 3"}));
  EXPECT_TRUE(news.Take(view).empty());
}

// The log says for a while that nobody holds the lease.
TEST(SentinelNewsTest, ASwitchMayHaveAGap) {
  SentinelNews news;
  CacheView view = ViewOfOneLog();
  (void)news.Take(view);
  view.primary_address = "";
  EXPECT_TRUE(news.Take(view).empty());
  CacheView same = ViewOfOneLog();
  EXPECT_TRUE(news.Take(same).empty());
  EXPECT_TRUE(news.Take(view).empty());
  view.primary_address = "10.0.0.1:1";
  EXPECT_THAT(news.Take(view),
              ElementsAre(SentinelEvent{"+switch-master", "cache 10.0.0.1 2 10.0.0.1 1"}));
}

TEST(SentinelNewsTest, AgentsComeAndGo) {
  const CacheView full = ViewOfOneLog();
  CacheView fewer = full;
  fewer.agents.pop_back();
  SentinelNews news;
  (void)news.Take(fewer);
  EXPECT_THAT(news.Take(full), ElementsAre(SentinelEvent{
                                   "+slave", "slave 10.0.0.1:3 10.0.0.1 3 @ cache 10.0.0.1 2"}));
  EXPECT_THAT(news.Take(fewer), ElementsAre(SentinelEvent{
                                    "+sdown", "slave 10.0.0.1:3 10.0.0.1 3 @ cache 10.0.0.1 2"}));
}

}  // namespace
}  // namespace cairn::adapter::redis
