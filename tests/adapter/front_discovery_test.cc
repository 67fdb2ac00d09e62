// The front over a real engine, asked by clients of clusters and of Sentinel.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include "adapter/redis/discovery/cluster_map.h"
#include "tests/adapter/cache_views.h"
#include "tests/adapter/front_lab.h"
#include "tests/support/resp_client.h"

namespace cairn::adapter::redis {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kOk[] = "+OK\r\n";
constexpr char kQueued[] = "+QUEUED\r\n";
constexpr char kMe[] = "10.0.0.1:1";

FrontOptions Playing(Discovery discovery) {
  FrontOptions options;
  options.advertise = kMe;
  options.discovery = discovery;
  return options;
}

// This agent is the only one of the cache's log.
CacheView ViewOfMe() {
  CacheView view = ViewOfOneLog();
  view.primary_name = "a/life/1@10.0.0.1:1";
  view.primary_address = kMe;
  return view;
}

CacheView ViewOfThreeLogsOneMine() {
  CacheView view = ViewOfThreeLogs();
  view.primary_address = kMe;
  return view;
}

TEST(FrontDiscoveryTest, APrimaryInAClusterServesItsSlots) {
  FrontLab lab(Playing(Discovery::kCluster));
  lab.front().SetView(ViewOfMe());
  FrontClient client(&lab);
  EXPECT_EQ(client.Ask({"CLUSTER", "MYID"}), "$40\r\n" + NodeId("a") + "\r\n");
  EXPECT_EQ(client.Ask({"SET", "foo", "1"}), kOk);
  EXPECT_THAT(client.Ask({"MSET", "foo", "1", "bar", "2"}), StartsWith("-CROSSSLOT "));
  EXPECT_EQ(client.Ask({"EXISTS", "bar"}), ":0\r\n");
  EXPECT_EQ(client.Ask({"SELECT", "1"}), "-ERR SELECT is not allowed in cluster mode\r\n");
  EXPECT_EQ(client.Ask({"SELECT", "0"}), kOk);
  EXPECT_THAT(client.Ask({"INFO"}), HasSubstr("cluster_enabled:1"));
  EXPECT_THAT(client.Ask({"HELLO"}), HasSubstr("$7\r\ncluster\r\n"));
  EXPECT_THAT(client.Ask({"SENTINEL", "MASTERS"}), StartsWith("-ERR unknown command"));
}

TEST(FrontDiscoveryTest, WhatIsSentElsewhereEndsATransaction) {
  FrontLab lab(Playing(Discovery::kCluster));
  CacheView view = ViewOfThreeLogsOneMine();
  lab.front().SetView(view);
  FrontClient client(&lab);
  EXPECT_EQ(client.Ask({"MULTI"}), kOk);
  EXPECT_EQ(client.Ask({"SET", "123", "1"}), kQueued);
  EXPECT_EQ(client.Ask({"SET", "foo", "1"}), "-MOVED 12182 10.0.0.1:3\r\n");
  EXPECT_THAT(client.Ask({"EXEC"}), StartsWith("-EXECABORT "));
  EXPECT_EQ(client.Ask({"EXISTS", "123"}), ":0\r\n");
}

TEST(FrontDiscoveryTest, CallsOfSlotsThatAreOnTheirWayWait) {
  FrontOptions options = Playing(Discovery::kCluster);
  options.hold_timeout_us = 600 * kMicrosPerSecond;
  FrontLab lab(options);
  CacheView view = ViewOfThreeLogsOneMine();
  lab.front().SetView(view);
  FrontClient client(&lab);
  EXPECT_EQ(client.Ask({"SET", "123", "1"}), kOk);
  view.held = {{5970, 5970}};
  lab.front().SetView(view);
  FrontClient other(&lab);
  other.Do({"GET", "123"});
  EXPECT_TRUE(other.Waits());
  EXPECT_THAT(client.Ask({"GET", "foo"}), StartsWith("-MOVED ")) << "of other slots";
  view.held = {};
  lab.front().SetView(view);
  EXPECT_EQ(other.Next(), "$1\r\n1\r\n");
}

TEST(FrontDiscoveryTest, CallsOfSlotsThatAreOnTheirWayForLongAreToldToComeAgain) {
  FrontOptions options = Playing(Discovery::kCluster);
  options.hold_timeout_us = kMicrosPerSecond / 2;
  FrontLab lab(options);
  CacheView view = ViewOfThreeLogsOneMine();
  view.held = {{5970, 5970}};
  lab.front().SetView(view);
  FrontClient client(&lab);
  EXPECT_EQ(client.Ask({"GET", "123"}), "-TRYAGAIN slot 5970 is being moved right now\r\n");
}

TEST(FrontDiscoveryTest, SlotsAreLeftWhenNoCallOfThemIsWithTheEngine) {
  FrontLab lab(Playing(Discovery::kCluster));
  CacheView view = ViewOfThreeLogsOneMine();
  lab.front().SetView(view);
  FrontClient blocked(&lab);
  FrontClient queued(&lab);
  EXPECT_EQ(queued.Ask({"MULTI"}), kOk);
  EXPECT_EQ(queued.Ask({"INCR", "123"}), kQueued);
  blocked.Do({"BLPOP", "123", "0"});
  EXPECT_TRUE(blocked.Waits());
  view.held = {{5970, 5970}};
  lab.front().SetView(view);
  std::atomic<bool> left = false;
  lab.front().DrainSlots({{5970, 5970}}, "cache/3", [&] { left = true; });
  EXPECT_EQ(blocked.Next(), "-MOVED 5970 10.0.0.1:3\r\n");
  EXPECT_TRUE(lab.world().Until([&] { return left.load(); }));
  queued.Do({"EXEC"});
  EXPECT_TRUE(queued.Waits());
  std::swap(view.slots, view.others[1].slots);
  view.held = {};
  lab.front().SetView(view);
  EXPECT_EQ(queued.Next(), "-MOVED 5970 10.0.0.1:3\r\n");
  EXPECT_EQ(lab.engine().Ask({"DBSIZE"}), "0");
  EXPECT_EQ(queued.Ask({"PING"}), "+PONG\r\n") << "the transaction is over";
}

// Whoever asked for them to be left has given up: who blocks on them blocks here.
TEST(FrontDiscoveryTest, SlotsThatAreServedAgainAreNotLeftAnyMore) {
  FrontLab lab(Playing(Discovery::kCluster));
  CacheView view = ViewOfThreeLogsOneMine();
  lab.front().SetView(view);
  FrontClient busy(&lab);
  EXPECT_EQ(busy.Ask({"SET", "123", "1"}), kOk);
  FrontClient blocks(&lab);
  EXPECT_EQ(blocks.Ask({"BLPOP", "{123}list", "0.001"}), "*-1\r\n") << "it has its connection";
  lab.engine().Signal(SIGSTOP);
  const uint64_t requests = lab.front().Stats().requests;
  busy.Do({"GET", "123"});
  ASSERT_TRUE(lab.world().Until([&] { return lab.front().Stats().requests > requests; }));
  view.held = {{5970, 5970}};
  lab.front().SetView(view);
  std::atomic<bool> left = false;
  lab.front().DrainSlots({{5970, 5970}}, "cache/3", [&] { left = true; });
  view.held = {};
  lab.front().SetView(view);
  blocks.Do({"BLPOP", "{123}list", "0"});
  lab.world().Drain();
  lab.engine().Signal(SIGCONT);
  EXPECT_EQ(busy.Next(), "$1\r\n1\r\n");
  EXPECT_TRUE(blocks.Waits());
  EXPECT_EQ(busy.Ask({"LPUSH", "{123}list", "x"}), ":1\r\n");
  EXPECT_THAT(blocks.Next(), HasSubstr("{123}list"));
  EXPECT_FALSE(left);
}

TEST(FrontDiscoveryTest, AReplicaInAClusterServesThoseWhoSayReadOnly) {
  FrontLab lab(Playing(Discovery::kCluster));
  lab.front().SetView(ViewOfOneLog());
  lab.SetMode(FrontMode::kReplica);
  FrontClient client(&lab);
  EXPECT_EQ(client.Ask({"GET", "foo"}), "-MOVED 12182 10.0.0.1:2\r\n");
  EXPECT_EQ(client.Ask({"READONLY"}), kOk);
  EXPECT_EQ(client.Ask({"GET", "foo"}), "$-1\r\n");
  EXPECT_EQ(client.Ask({"SET", "foo", "1"}), "-MOVED 12182 10.0.0.1:2\r\n");
  EXPECT_EQ(client.Ask({"READWRITE"}), kOk);
  EXPECT_EQ(client.Ask({"GET", "foo"}), "-MOVED 12182 10.0.0.1:2\r\n");
  EXPECT_EQ(client.Ask({"READONLY"}), kOk);
  EXPECT_EQ(client.Ask({"RESET"}), "+RESET\r\n");
  EXPECT_EQ(client.Ask({"GET", "foo"}), "-MOVED 12182 10.0.0.1:2\r\n");
  EXPECT_THAT(client.Ask({"CLUSTER", "SLOTS"}), StartsWith("*1\r\n*5\r\n:0\r\n:16383\r\n"));
}

TEST(FrontDiscoveryTest, WhoMayNotAskIsToldSo) {
  FrontLab lab(Playing(Discovery::kCluster));
  lab.front().SetView(ViewOfMe());
  lab.engine().Ask({"ACL", "SETUSER", "u", "on", ">p", "~*", "+@all", "-cluster|nodes"});
  FrontClient client(&lab);
  EXPECT_EQ(client.Ask({"AUTH", "u", "p"}), kOk);
  EXPECT_THAT(client.Ask({"CLUSTER", "NODES"}), StartsWith("-NOPERM "));
  EXPECT_THAT(client.Ask({"CLUSTER", "SLOTS"}), StartsWith("*1\r\n"));
}

// The log still names this agent, whose lease is over: nobody is sent in circles.
TEST(FrontDiscoveryTest, ADeposedPrimaryDoesNotSendClientsToItself) {
  FrontLab lab(Playing(Discovery::kCluster));
  lab.front().SetView(ViewOfMe());
  lab.SetMode(FrontMode::kReplica);
  FrontClient client(&lab);
  EXPECT_THAT(client.Ask({"GET", "foo"}), StartsWith("-CLUSTERDOWN "));
}

TEST(FrontDiscoveryTest, WithoutAClusterEachAgentIsOneServer) {
  FrontLab lab(Playing(Discovery::kSentinel));
  lab.front().SetView(ViewOfOneLog());
  lab.SetMode(FrontMode::kReplica);
  FrontClient client(&lab);
  EXPECT_EQ(client.Ask({"CLUSTER", "SLOTS"}),
            "-ERR This instance has cluster support disabled\r\n");
  EXPECT_EQ(client.Ask({"GET", "foo"}), "$-1\r\n");
  EXPECT_THAT(client.Ask({"SET", "foo", "1"}), StartsWith("-READONLY "));
  EXPECT_EQ(client.Ask({"MGET", "foo", "bar"}), "*2\r\n$-1\r\n$-1\r\n");
  EXPECT_THAT(client.Ask({"HELLO"}), HasSubstr("$10\r\nstandalone\r\n"));
  EXPECT_EQ(client.Ask({"SENTINEL", "GET-MASTER-ADDR-BY-NAME", "cache"}),
            "*2\r\n$8\r\n10.0.0.1\r\n$1\r\n2\r\n");
}

TEST(FrontDiscoveryTest, SentinelHasAPortThatNeedsNoEngine) {
  FrontOptions options = Playing(Discovery::kSentinel);
  options.sentinel_listen = "127.0.0.1:0";
  FrontLab lab(options);
  lab.front().EngineDown();
  lab.SetMode(FrontMode::kClosed);
  lab.front().SetView(ViewOfOneLog());
  ASSERT_NE(lab.front().sentinel(), nullptr);
  const auto client = cairn::testing::RespClient::Connect(lab.front().sentinel()->address());
  ASSERT_NE(client, nullptr);
  const auto reply = client->Do({"SENTINEL", "GET-MASTER-ADDR-BY-NAME", "cache"});
  ASSERT_TRUE(reply.has_value());
  ASSERT_EQ(reply->items.size(), 2u);
  EXPECT_EQ(reply->items[1].text, "2");
}

}  // namespace
}  // namespace cairn::adapter::redis
