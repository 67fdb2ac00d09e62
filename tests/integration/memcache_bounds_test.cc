// What an agent of memcached buffers for clients that ask for much and read nothing: replies are
// bounded, and whole once they are read.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include "tests/integration/memcache_world.h"

namespace cairn::integration {
namespace {

using adapter::memcache::ReplyKind;

constexpr size_t kItemBytes = 1'000'000;
constexpr size_t kCopies = 60;
// Session::kMaxOutBytes, and what was under way when that was reached: as many items of this size
// as fit into it, once more, and one.
constexpr double kBoundBytes = 2 * (4 << 20) + kItemBytes;

std::string Repeated(const std::string& text, size_t times) {
  std::string all;
  while (times-- > 0) all += text;
  return all;
}

class MemcacheBoundsTest : public ::testing::Test {
 protected:
  void Begin(std::vector<std::string> flags) {
    flags.insert(flags.end(), {"--io-threads", "1"});
    world_ = std::make_unique<MemcacheWorld>(
        MemcacheWorld::Options{.agents = 2, .ttl_ms = 60'000, .flags = std::move(flags)});
    world_->StartAllAgents();
    ASSERT_TRUE(world_->AwaitAllServe()) << world_->Output(0);
    primary_ = *world_->AwaitPrimary();
    ASSERT_EQ(world_->Client(primary_)->Set("k", value_), "STORED");
  }

  double Buffered(size_t agent) {
    return world_->Metric(agent, "cairn_agent_reply_bytes").value_or(0);
  }
  // Replies to what was asked before others' on this thread's connections have come by then.
  double MostBuffered(size_t agent) {
    double most = Buffered(agent);
    const auto other = world_->Client(agent);
    for (int i = 0; i < 12; ++i) {
      EXPECT_TRUE(other->Send("get k\r\n"));
      EXPECT_TRUE(other->Read(ReplyKind::kValues).has_value());
      most = std::max(most, Buffered(agent));
    }
    return most;
  }

  // Asks at the agent for `replies` of the kind of `get`, with all copies between them.
  void ExpectBounded(size_t agent, const std::string& requests, size_t replies) {
    SCOPED_TRACE(requests.substr(0, 20) +
                 (agent == primary_ ? " at the primary" : " at a standby"));
    const auto client = world_->Client(agent);
    ASSERT_TRUE(client->Send(requests));
    // What the kernel has no room for.
    EXPECT_TRUE(Eventually([&] { return Buffered(agent) > 0; }));
    EXPECT_LE(MostBuffered(agent), kBoundBytes);
    for (size_t i = 0; i < replies; ++i) {
      const std::string reply = client->Read(ReplyKind::kValues).value_or("none");
      const std::string item = fmt::format("VALUE k 0 {}", kItemBytes);
      size_t items = 0;
      for (size_t at = 0; (at = reply.find(item, at)) != std::string::npos; ++at) ++items;
      EXPECT_EQ(items, kCopies / replies);
      EXPECT_TRUE(reply.ends_with(value_ + "\r\nEND\r\n"));
    }
    // Nothing is behind it but the next.
    ASSERT_TRUE(client->Send("mn\r\n"));
    EXPECT_EQ(client->Read(ReplyKind::kMeta), "MN\r\n");
  }

  const std::string value_ = std::string(kItemBytes, 'v');
  std::unique_ptr<MemcacheWorld> world_;
  size_t primary_ = 0;
};

TEST_F(MemcacheBoundsTest, WhateverAClientAsksForAndDoesNotRead) {
  ASSERT_NO_FATAL_FAILURE(Begin({}));
  const std::string keys = Repeated(" k", kCopies);
  for (const size_t agent : {primary_, 1 - primary_}) {
    ExpectBounded(agent, "get" + keys + "\r\n", 1);
    ExpectBounded(agent, "gats 0" + keys + "\r\n", 1);
    ExpectBounded(agent, Repeated("get k\r\n", kCopies), kCopies);
  }
}

// Each portion with a miss in it is answered by the writer.
TEST_F(MemcacheBoundsTest, AlsoWhereTheViewIsLookedInto) {
  ASSERT_NO_FATAL_FAILURE(Begin({"--on-miss", "view"}));
  ExpectBounded(primary_, "get" + Repeated(" none k", kCopies) + "\r\n", 1);
  ExpectBounded(primary_, "gat 0" + Repeated(" none k", kCopies) + "\r\n", 1);
}

TEST_F(MemcacheBoundsTest, AGetOfManySmallItemsIsAnsweredInItsOrder) {
  ASSERT_NO_FATAL_FAILURE(Begin({}));
  constexpr size_t kKeys = 1'000;
  const auto writer = world_->Client(primary_);
  std::string request = "gets";
  for (size_t i = 0; i < kKeys; ++i) {
    if (i % 3 != 0) {
      ASSERT_EQ(writer->Set(fmt::format("s{}", i), std::to_string(i)), "STORED");
    }
    request += fmt::format(" s{}", i);
  }
  for (const size_t agent : {primary_, 1 - primary_}) {
    const auto client = world_->Client(agent);
    ASSERT_TRUE(client->Send(request + "\r\nget s1\r\n"));
    const std::string reply = client->Read(ReplyKind::kValues).value_or("none");
    size_t at = 0;
    for (size_t i = 0; i < kKeys; ++i) {
      const size_t found = reply.find(fmt::format("VALUE s{} 0 ", i), at);
      ASSERT_EQ(found == std::string::npos, i % 3 == 0) << i;
      if (found != std::string::npos) at = found;
    }
    EXPECT_EQ(client->Read(ReplyKind::kValues), "VALUE s1 0 1\r\n1\r\nEND\r\n");
  }
}

TEST_F(MemcacheBoundsTest, HitsMissesAndTheBoundOfTheLagAreMetrics) {
  ASSERT_NO_FATAL_FAILURE(Begin({"--lag-bytes", "8MiB", "--lag-ms", "2500"}));
  const auto metric = [&](const std::string& name) {
    return world_->Metric(primary_, "cairn_agent_" + name).value_or(-1);
  };
  EXPECT_EQ(metric("durability_lag_limit_bytes"), 8 << 20);
  EXPECT_EQ(metric("durability_lag_limit_seconds"), 2.5);
  const double hits = metric("engine_keyspace_hits_total");
  const double misses = metric("engine_keyspace_misses_total");
  const auto client = world_->Client(primary_);
  ASSERT_TRUE(client->Send("get k none\r\n"));
  EXPECT_TRUE(client->Read(ReplyKind::kValues).has_value());
  EXPECT_TRUE(Eventually([&] { return metric("engine_keyspace_hits_total") == hits + 1; }));
  EXPECT_TRUE(Eventually([&] { return metric("engine_keyspace_misses_total") == misses + 1; }));
}

}  // namespace
}  // namespace cairn::integration
