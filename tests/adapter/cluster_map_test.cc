// Slots of keys, who serves them, and CLUSTER's answers, word for word.
#include "adapter/redis/discovery/cluster_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "adapter/redis/discovery/cluster_answers.h"
#include "tests/adapter/cache_views.h"

namespace cairn::adapter::redis {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// What Redis 7.0.15 answers to CLUSTER KEYSLOT.
TEST(KeySlotTest, IsThatOfRedisCluster) {
  const struct {
    std::string_view key;
    uint32_t slot;
  } kCases[] = {
      {"", 0},
      {"123456789", 0x31C3},
      {"foo", 12182},
      {"bar", 5061},
      {"hello", 866},
      {"{user1000}.following", 3443},
      {"user1000", 3443},
      {"foo{}{bar}", 8363},  // The first braces hold nothing: all of it counts.
      {"foo{{bar}}zap", 4015},
      {"{bar", 4015},
      {"foo{bar}{zap}", 5061},
      {"foo{bar", 15278},
      {std::string_view("\x00\xff", 2), 7920},
  };
  for (const auto& [key, slot] : kCases) EXPECT_EQ(KeySlot(key), slot) << key;
}

// The table of a real engine, for plans of calls.
const CommandTable& Table() {
  static const auto* const table = [] {
    std::ifstream file(CAIRN_ENGINES_DIR "/redis-7.0.15.command", std::ios::binary);
    std::ostringstream bytes;
    bytes << file.rdbuf();
    return new CommandTable(*CommandTable::FromReply(*ReadRespValue(bytes.str())));
  }();
  return *table;
}

std::string Redirect(const ClusterMap& map, const std::vector<std::string_view>& argv,
                     bool is_primary, bool read_only = false) {
  CommandPlan plan;
  Table().Judge(argv, &plan);
  const SlotRoute route = map.Route(argv, plan, is_primary, read_only);
  return route.held ? "held" : route.refusal.value_or("served");
}

TEST(RedirectTest, APrimaryOfAllSlotsServesAllButMixedSlots) {
  const ClusterMap map(ViewOfOneLog(), "10.0.0.1:2");
  EXPECT_EQ(Redirect(map, {"SET", "foo", "1"}, true), "served");
  EXPECT_EQ(Redirect(map, {"PING"}, true), "served");
  EXPECT_EQ(Redirect(map, {"MSET", "{x}a", "1", "{x}b", "2"}, true), "served");
  EXPECT_THAT(Redirect(map, {"MGET", "foo", "bar"}, true), StartsWith("CROSSSLOT "));
  EXPECT_THAT(Redirect(map, {"EVAL", "return 1", "2", "foo", "bar"}, true),
              StartsWith("CROSSSLOT "));
}

TEST(RedirectTest, AReplicaServesReadsOfThoseWhoAskedForThem) {
  const ClusterMap map(ViewOfOneLog(), "10.0.0.1:1");
  EXPECT_EQ(Redirect(map, {"GET", "foo"}, false), "MOVED 12182 10.0.0.1:2");
  EXPECT_EQ(Redirect(map, {"GET", "foo"}, false, /*read_only=*/true), "served");
  EXPECT_EQ(Redirect(map, {"SET", "foo", "1"}, false, /*read_only=*/true),
            "MOVED 12182 10.0.0.1:2");
  EXPECT_EQ(Redirect(map, {"BLPOP", "foo", "0"}, false, true), "MOVED 12182 10.0.0.1:2");
  EXPECT_EQ(Redirect(map, {"WATCH", "foo"}, false), "MOVED 12182 10.0.0.1:2");
  EXPECT_EQ(Redirect(map, {"SORT", "foo", "STORE", "foo"}, false, true), "MOVED 12182 10.0.0.1:2");
  EXPECT_EQ(Redirect(map, {"PING"}, false), "served");
  EXPECT_EQ(Redirect(map, {"KEYS", "*"}, false), "served");
  EXPECT_EQ(Redirect(map, {"PUBLISH", "channel", "word"}, false), "MOVED 0 10.0.0.1:2");
}

TEST(RedirectTest, OfSeveralLogsEachKeyHasItsOwn) {
  const ClusterMap map(ViewOfThreeLogs(), "10.0.0.1:2");
  EXPECT_EQ(Redirect(map, {"SET", "bar", "1"}, true), "MOVED 5061 10.0.0.1:1");
  EXPECT_EQ(Redirect(map, {"SET", "123", "1"}, true), "served");  // Slot 5970.
  EXPECT_EQ(Redirect(map, {"SET", "foo", "1"}, true), "MOVED 12182 10.0.0.1:3");
  EXPECT_EQ(Redirect(map, {"GET", "foo"}, false, true), "MOVED 12182 10.0.0.1:3");
  EXPECT_THAT(Redirect(map, {"MGET", "foo", "123"}, true), StartsWith("CROSSSLOT "));
  EXPECT_THAT(Redirect(map, {"RENAME", "123", "foo"}, true), StartsWith("CROSSSLOT "));
  EXPECT_EQ(Redirect(map, {"FLUSHALL"}, true), "served");
}

TEST(RedirectTest, WhatMayTouchSlotsThatAreOnTheirWayWaits) {
  CacheView view = ViewOfThreeLogs();
  view.held = {{5970, 5970}, {12182, 12182}};
  const ClusterMap map(view, "10.0.0.1:2");
  EXPECT_EQ(Redirect(map, {"SET", "123", "1"}, true), "held");  // Slot 5970.
  EXPECT_EQ(Redirect(map, {"GET", "123"}, true), "held");
  EXPECT_EQ(Redirect(map, {"GET", "foo"}, true), "held");  // Comes from another log.
  EXPECT_EQ(Redirect(map, {"SET", "bar", "1"}, true), "MOVED 5061 10.0.0.1:1");
  EXPECT_EQ(Redirect(map, {"FLUSHALL"}, true), "held");
  EXPECT_EQ(Redirect(map, {"EVAL", "return 1", "0"}, true), "held");
  EXPECT_EQ(Redirect(map, {"PING"}, true), "served");
  EXPECT_EQ(Redirect(map, {"PUBLISH", "channel", "word"}, true), "served");
  EXPECT_EQ(Redirect(map, {"GET", "123"}, false, /*read_only=*/true), "served") << "by a replica";
}

TEST(RedirectTest, WhatWasQueuedIsJudgedAgain) {
  CacheView view = ViewOfThreeLogs();
  const SlotTouch own{5970, false};
  const SlotTouch other{12182, false};
  const SlotTouch any{std::nullopt, true};
  const ClusterMap before(view, "10.0.0.1:2");
  EXPECT_FALSE(before.RouteAgain(own, true).refusal || before.RouteAgain(any, true).held);
  EXPECT_EQ(before.RouteAgain(other, true).refusal, "MOVED 12182 10.0.0.1:3");
  view.held = {{5970, 5970}};
  const ClusterMap during(view, "10.0.0.1:2");
  EXPECT_TRUE(during.RouteAgain(own, true).held);
  EXPECT_TRUE(during.RouteAgain(any, true).held);
  EXPECT_EQ(during.MovedTo(5970, "cache/3"), "MOVED 5970 10.0.0.1:3");
}

// Messages reach the replicas through the log, and come from the primary only.
TEST(RedirectTest, ChannelsOfShardsGoBySlots) {
  const ClusterMap replica(ViewOfOneLog(), "10.0.0.1:1");
  EXPECT_EQ(Redirect(replica, {"SSUBSCRIBE", "foo"}, false), "served");
  EXPECT_EQ(Redirect(replica, {"SPUBLISH", "foo", "bar"}, false), "MOVED 12182 10.0.0.1:2");
  const ClusterMap second(ViewOfThreeLogs(), "10.0.0.1:2");
  EXPECT_EQ(Redirect(second, {"SSUBSCRIBE", "foo"}, true), "MOVED 12182 10.0.0.1:3");
  EXPECT_EQ(Redirect(second, {"SPUBLISH", "foo", "123"}, true), "MOVED 12182 10.0.0.1:3");
  EXPECT_EQ(Redirect(second, {"SPUBLISH", "123", "foo"}, true), "served");
  EXPECT_THAT(Redirect(second, {"SSUBSCRIBE", "foo", "123"}, true), StartsWith("CROSSSLOT "));
  EXPECT_EQ(Redirect(second, {"SUNSUBSCRIBE", "foo"}, true), "served");
}

TEST(RedirectTest, WhereNobodyIsPrimaryClientsAreToldToAskAgain) {
  CacheView view = ViewOfOneLog();
  // Its lease is over, and the log still names it.
  EXPECT_THAT(Redirect(ClusterMap(view, "10.0.0.1:2"), {"GET", "foo"}, false),
              StartsWith("CLUSTERDOWN "));
  view.primary_address = view.primary_name = "";
  EXPECT_THAT(Redirect(ClusterMap(view, "10.0.0.1:1"), {"GET", "foo"}, false),
              StartsWith("CLUSTERDOWN "));
  view = ViewOfThreeLogs();
  view.others.pop_back();
  EXPECT_THAT(Redirect(ClusterMap(view, "10.0.0.1:2"), {"GET", "foo"}, true),
              StartsWith("CLUSTERDOWN "));
}

TEST(NodeIdTest, BelongsToTheDataDirectory) {
  EXPECT_EQ(NodeId("a/life@10.0.0.1:1").size(), 40u);
  EXPECT_EQ(NodeId("a/life@10.0.0.1:1"), NodeId("a/other/2@10.0.0.9:9"));
  EXPECT_NE(NodeId("a/life@10.0.0.1:1"), NodeId("b/life@10.0.0.1:1"));
}

TEST(ReadHostPortTest, ReadsBothFamilies) {
  EXPECT_EQ(ReadHostPort("10.0.0.1:7"), (HostPort{"10.0.0.1", 7}));
  EXPECT_EQ(ReadHostPort("[::1]:7"), (HostPort{"::1", 7}));
  for (const char* wrong : {"", "host", "host:", "host:70000", "host:7x"}) {
    EXPECT_EQ(ReadHostPort(wrong), HostPort()) << wrong;
  }
}

// The reply to CLUSTER …, with its line ends as blanks and the ids of agents a, b, c as <a> ….
std::string Answer(const CacheView& view, std::string_view own_address,
                   std::vector<std::string_view> words, RespVersion version = RespVersion::k2) {
  words.insert(words.begin(), "CLUSTER");
  std::string reply;
  ReplyWriter writer(version, &reply);
  AnswerCluster(ClusterMap(view, own_address), {.argv = words, .replication_offset = 99}, &writer);
  for (const std::string name : {"a", "b", "c", "1", "2", "3"}) {
    for (size_t at; (at = reply.find(NodeId(name))) != std::string::npos;) {
      reply.replace(at, NodeId(name).size(), "<" + name + ">");
    }
  }
  for (size_t at; (at = reply.find("\r\n")) != std::string::npos;) reply.replace(at, 2, " ");
  return reply;
}

TEST(ClusterAnswersTest, SlotsNameThePrimaryFirst) {
  EXPECT_EQ(Answer(ViewOfOneLog(), "10.0.0.1:1", {"SLOTS"}),
            "*1 *5 :0 :16383 "
            "*4 $8 10.0.0.1 :2 $40 <b> *0 "
            "*4 $8 10.0.0.1 :1 $40 <a> *0 "
            "*4 $8 10.0.0.1 :3 $40 <c> *0 ");
  EXPECT_EQ(Answer(ViewOfThreeLogs(), "10.0.0.1:2", {"slots"}),
            "*3 *3 :0 :5460 *4 $8 10.0.0.1 :1 $40 <1> *0 "
            "*3 :5461 :10922 *4 $8 10.0.0.1 :2 $40 <2> *0 "
            "*3 :10923 :16383 *4 $8 10.0.0.1 :3 $40 <3> *0 ");
}

TEST(ClusterAnswersTest, WhileThereIsNoPrimarySlotsNameWhoStandsBy) {
  CacheView view = ViewOfOneLog();
  view.primary_address = view.primary_name = "";
  EXPECT_EQ(Answer(view, "10.0.0.1:1", {"SLOTS"}),
            "*1 *5 :0 :16383 "
            "*4 $8 10.0.0.1 :1 $40 <a> *0 "
            "*4 $8 10.0.0.1 :2 $40 <b> *0 "
            "*4 $8 10.0.0.1 :3 $40 <c> *0 ");
  EXPECT_THAT(Answer(view, "10.0.0.1:2", {"INFO"}), HasSubstr("cluster_state:fail"));
}

TEST(ClusterAnswersTest, SlotsOfALogWithoutAnyAgentAreLeftOut) {
  CacheView view = ViewOfThreeLogs();
  view.others[0].primary_address = view.others[0].primary_name = "";
  EXPECT_THAT(Answer(view, "10.0.0.1:2", {"SLOTS"}), StartsWith("*3 *3 :0 :5460 *4 $8 10.0.0.1 "));
  view.others[0].agents.clear();
  EXPECT_THAT(Answer(view, "10.0.0.1:2", {"SLOTS"}), StartsWith("*2 *3 :5461 "));
  EXPECT_THAT(Answer(view, "10.0.0.1:2", {"INFO"}), HasSubstr("cluster_state:fail"));
}

TEST(ClusterAnswersTest, ShardsAreMaps) {
  CacheView view = ViewOfOneLog();
  view.agents.pop_back();
  view.agents.erase(view.agents.begin());
  EXPECT_EQ(Answer(view, "10.0.0.1:2", {"SHARDS"}, RespVersion::k3),
            "*1 %2 $5 slots *2 :0 :16383 $5 nodes *1 %7 $2 id $40 <b> $2 ip $8 10.0.0.1 "
            "$8 endpoint $8 10.0.0.1 $4 role $6 master $6 health $6 online $4 port :2 "
            "$18 replication-offset :99 ");
}

TEST(ClusterAnswersTest, NodesAreLines) {
  std::string text = NodesText(ClusterMap(ViewOfOneLog(), "10.0.0.1:1"));
  EXPECT_EQ(text, NodeId("b") + " 10.0.0.1:2@0 master - 0 0 7 connected 0-16383\n" + NodeId("a") +
                      " 10.0.0.1:1@0 myself,slave " + NodeId("b") + " 0 0 7 connected\n" +
                      NodeId("c") + " 10.0.0.1:3@0 slave " + NodeId("b") + " 0 0 7 connected\n");
}

TEST(ClusterAnswersTest, InfoCountsSlotsAndNodes) {
  EXPECT_EQ(Answer(ViewOfThreeLogs(), "10.0.0.1:2", {"INFO"}, RespVersion::k3),
            "=316 txt:cluster_state:ok cluster_slots_assigned:16384 cluster_slots_ok:16384 "
            "cluster_slots_pfail:0 cluster_slots_fail:0 cluster_known_nodes:3 cluster_size:3 "
            "cluster_current_epoch:4 cluster_my_epoch:4 cluster_stats_messages_sent:0 "
            "cluster_stats_messages_received:0 total_cluster_links_buffer_limit_exceeded:0  ");
}

TEST(ClusterAnswersTest, SmallOnes) {
  const struct {
    std::vector<std::string_view> words;
    std::string_view reply;
  } kCases[] = {
      {{"MYID"}, "$40 <a> "},
      {{"KEYSLOT", "foo"}, ":12182 "},
      {{"LINKS"}, "*0 "},
      {{"COUNT-FAILURE-REPORTS", "x"}, ":0 "},
      {{"REPLICAS", "x"}, "-ERR Unknown node "},
      {{"COUNTKEYSINSLOT", "16384"}, "-ERR Invalid slot "},
      {{"NONSENSE"}, "-ERR unknown subcommand or wrong number of arguments; try CLUSTER HELP "},
  };
  for (const auto& [words, reply] : kCases) {
    EXPECT_EQ(Answer(ViewOfOneLog(), "10.0.0.1:1", words), reply) << words[0];
  }
  EXPECT_THAT(Answer(ViewOfOneLog(), "10.0.0.1:1", {"GETKEYSINSLOT", "1", "10"}),
              HasSubstr("no index"));
  const std::string primary = NodeId("b");
  EXPECT_THAT(Answer(ViewOfOneLog(), "10.0.0.1:1", {"REPLICAS", primary}),
              StartsWith("*2 $123 <a> 10.0.0.1:1@0 myself,slave <b>"));
}

TEST(ClusterAnswersTest, AnAgentThatPresenceDoesNotNameYetIsANode) {
  CacheView view = ViewOfOneLog();
  view.agents.clear();
  EXPECT_THAT(Answer(view, "10.0.0.1:9", {"SLOTS"}), HasSubstr("*4 $8 10.0.0.1 :2 $40 <b>"));
  EXPECT_THAT(Answer(view, "10.0.0.1:9", {"MYID"}), StartsWith("$40 "));
}

}  // namespace
}  // namespace cairn::adapter::redis
