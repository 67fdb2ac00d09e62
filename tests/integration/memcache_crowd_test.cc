// Two thousand clients at once on a few keys, while the primary's agent, its engine and the log's
// leader are killed in turn: what they were told has an order, and all engines hold the fold of the
// log. In write-behind a kill takes a tail of what was acknowledged, and nothing before it.
#include "tests/integration/memcache_crowd.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <limits>

#include "tests/history/busy_key.h"
#include "tests/integration/memcache_tools.h"
#include "tests/integration/memcache_world.h"

namespace cairn::integration {
namespace {

using history::RegisterCall;

// Acknowledged changes between one event and the next: as many as there are clients.
constexpr uint64_t kMany = 2'000;
constexpr char kLog[] = "cache";

enum class Victim { kAgent, kEngine, kLogLeader };

class MemcacheCrowdTest : public ::testing::Test {
 protected:
  void Begin(MemcacheWorld::Options options) {
    options.nodes = 3;
    world_ = std::make_unique<MemcacheWorld>(std::move(options));
    tools_ = std::make_unique<MemcacheTools>(*world_);
    world_->StartAllAgents();
    ASSERT_TRUE(world_->AwaitAllServe()) << world_->Output(0);
  }
  [[nodiscard]] MemcacheCrowd::Options CrowdOf(const std::string& prefix) const {
    MemcacheCrowd::Options options{.addresses = {}, .prefix = prefix};
    for (size_t agent = 0; agent < world_->size(); ++agent) {
      options.addresses.push_back(world_->Address(agent));
    }
    return options;
  }

  void Kill(Victim victim);
  void Restart();
  void KillOneAfterTheOther(MemcacheCrowd& crowd);
  void ReadFromAllAgents(MemcacheCrowd& crowd);
  void ExpectTheFoldOfTheLog();
  void LoseATail(Victim victim);

  std::unique_ptr<MemcacheWorld> world_;
  std::unique_ptr<MemcacheTools> tools_;
  // Killed, and not started again.
  std::optional<size_t> agent_;
  std::optional<size_t> node_;
};

// kill -9, of the primary's or of the leader.
void MemcacheCrowdTest::Kill(Victim victim) {
  const std::optional<size_t> primary = world_->AwaitPrimary();
  ASSERT_TRUE(primary.has_value());
  switch (victim) {
    case Victim::kAgent:
      agent_ = primary;
      return world_->KillAgent(*primary);
    case Victim::kEngine:
      ASSERT_TRUE(world_->KillEngine(*primary));
      return;
    case Victim::kLogLeader:
      ASSERT_TRUE(node_.has_value()) << "nobody leads the log";
      return world_->cluster().Kill(*node_);
  }
}

void MemcacheCrowdTest::Restart() {
  if (agent_) world_->StartAgent(*agent_);
  if (node_ && !world_->cluster().IsRunning(*node_)) world_->cluster().Start(*node_);
  agent_.reset();
  node_.reset();
  ASSERT_TRUE(world_->cluster().AwaitAllReady());
  ASSERT_TRUE(world_->AwaitAllServe());
}

void MemcacheCrowdTest::KillOneAfterTheOther(MemcacheCrowd& crowd) {
  for (const Victim victim : {Victim::kAgent, Victim::kEngine, Victim::kLogLeader}) {
    ASSERT_TRUE(crowd.AwaitAcknowledged(kMany));
    node_ = world_->AwaitLeader(kLog);
    ASSERT_NO_FATAL_FAILURE(Kill(victim));
    ASSERT_TRUE(crowd.AwaitAcknowledged(kMany)) << "clients are not served any more";
    ASSERT_NO_FATAL_FAILURE(Restart());
  }
}

// As further calls of the histories. Requires: Finish().
void MemcacheCrowdTest::ReadFromAllAgents(MemcacheCrowd& crowd) {
  for (size_t agent = 0; agent < world_->size(); ++agent) {
    const auto client = world_->Client(agent);
    for (CrowdKey& key : crowd.keys()) {
      RegisterCall read;
      read.begin_us = absl::ToUnixMicros(absl::Now());
      const auto item = client->Get(key.name);
      ASSERT_TRUE(item.has_value()) << world_->Output(agent);
      if (*item) read.value = std::stoll((**item).value);
      read.end_us = absl::ToUnixMicros(absl::Now());
      key.calls.push_back(read);
    }
  }
}

void MemcacheCrowdTest::ExpectTheFoldOfTheLog() {
  ASSERT_TRUE(world_->AwaitSameEngines());
  const MemcacheItems fold = tools_->Fold();
  EXPECT_FALSE(fold.empty());
  EXPECT_EQ(world_->EngineItems(0), fold);
  // And the same from each agent's own view.
  EXPECT_TRUE(world_->AwaitSameViews());
}

// ---- Judges -------------------------------------------------------------------------------------

bool IsAcknowledgedChange(const RegisterCall& call) {
  return call.answered() && call.kind != RegisterCall::Kind::kGet;
}

history::RegisterVerdict Judge(const CrowdKey& key) {
  return key.kind == CrowdKey::Kind::kSet ? history::CheckSets(key.calls)
                                          : history::CheckIncrements(key.calls);
}

void ExpectAnOrder(MemcacheCrowd& crowd) {
  EXPECT_EQ(crowd.findings(), std::vector<std::string>());
  for (const CrowdKey& key : crowd.keys()) {
    const history::RegisterVerdict verdict = Judge(key);
    EXPECT_TRUE(verdict.ok()) << key.name << ": " << verdict.explanation;
  }
}

// Says again in numbers what the order of a counter implies.
void ExpectNothingLostOrDoneTwice(const CrowdKey& key) {
  const auto acknowledged = std::count_if(key.calls.begin(), key.calls.end(), IsAcknowledgedChange);
  const auto unknown = std::count_if(key.calls.begin(), key.calls.end(),
                                     [](const RegisterCall& call) { return !call.answered(); });
  EXPECT_GE(key.calls.back().value, acknowledged) << key.name;
  EXPECT_LE(key.calls.back().value, acknowledged + unknown) << key.name;
}

// What became of the acknowledged changes of all keys.
struct Tail {
  int64_t first_lost_end = std::numeric_limits<int64_t>::max();
  int64_t last_kept_begin = std::numeric_limits<int64_t>::min();
  size_t lost = 0;
  size_t lost_bytes = 0;  // Of values; at least.

  void Keep(const RegisterCall& call) {
    last_kept_begin = std::max(last_kept_begin, call.begin_us);
  }
  void Lose(const RegisterCall& call, size_t value_bytes) {
    first_lost_end = std::min(first_lost_end, call.end_us);
    ++lost;
    lost_bytes += value_bytes;
  }
};

// Of sets only those count that cannot have been at the same time as the one that is left.
void AddTo(Tail* tail, const CrowdKey& key, int64_t left, size_t value_bytes) {
  const bool sets = key.kind == CrowdKey::Kind::kSet;
  RegisterCall last;  // An absent item was left before everything.
  last.end_us = std::numeric_limits<int64_t>::min();
  for (const RegisterCall& call : key.calls) {
    if (IsAcknowledgedChange(call) && call.value == left) last = call;
  }
  for (const RegisterCall& call : key.calls) {
    if (!IsAcknowledgedChange(call)) continue;
    const bool lost = sets ? call.begin_us > last.end_us : call.value > left;
    const bool kept = sets ? call.end_us < last.begin_us || call.value == left : !lost;
    if (lost) tail->Lose(call, sets ? value_bytes : 1);
    if (kept) tail->Keep(call);
  }
}

// ---- Write-through ------------------------------------------------------------------------------

TEST_F(MemcacheCrowdTest, WhatTwoThousandWereToldHasAnOrderWhoeverDies) {
  ASSERT_NO_FATAL_FAILURE(Begin({}));
  MemcacheCrowd crowd(CrowdOf("k"));
  ASSERT_TRUE(crowd.Prepare(world_->Address(0)));
  crowd.Start();
  ASSERT_NO_FATAL_FAILURE(KillOneAfterTheOther(crowd));
  crowd.Finish();
  ASSERT_NO_FATAL_FAILURE(ReadFromAllAgents(crowd));
  ExpectAnOrder(crowd);
  for (const CrowdKey& key : crowd.keys()) {
    if (key.kind != CrowdKey::Kind::kSet) ExpectNothingLostOrDoneTwice(key);
  }
  ExpectTheFoldOfTheLog();
  fmt::print("{} changes acknowledged\n", crowd.acknowledged());
}

// The engines hold a part of the cache, and now and then have no room for any other item.
TEST_F(MemcacheCrowdTest, WhatEnginesEvictedIsThereForEverybodyWithTheView) {
  constexpr int kItems = 1'500;
  constexpr size_t kItemBytes = 2'000;
  ASSERT_NO_FATAL_FAILURE(
      Begin({.flags = {"--on-miss", "view", "--engine-cmd", "memcached -m 2"}}));
  MemcacheCrowd crowd(CrowdOf("k"));
  ASSERT_TRUE(crowd.Prepare(world_->Address(0)));
  crowd.Start();
  const auto loader = world_->Client(0);
  for (int i = 0; i < kItems; ++i) {
    const std::string value = fmt::format("{:0{}}", i, kItemBytes);
    ASSERT_TRUE(loader->Send(fmt::format("set i{} 0 0 {}\r\n{}\r\n", i, kItemBytes, value)));
  }
  for (int i = 0; i < kItems; ++i) {
    ASSERT_EQ(loader->Read(adapter::memcache::ReplyKind::kLine), "STORED\r\n");
  }
  ASSERT_NO_FATAL_FAILURE(KillOneAfterTheOther(crowd));
  crowd.Finish();
  ASSERT_NO_FATAL_FAILURE(ReadFromAllAgents(crowd));
  ExpectAnOrder(crowd);

  const MemcacheItems fold = tools_->Fold();
  EXPECT_EQ(fold.size(), kItems + crowd.keys().size());
  for (size_t agent = 0; agent < world_->size(); ++agent) {
    const std::optional<MemcacheItems> resident = world_->EngineItems(agent);
    ASSERT_TRUE(resident.has_value());
    EXPECT_LT(resident->size(), fold.size()) << "nothing was evicted";
    EXPECT_TRUE(std::includes(fold.begin(), fold.end(), resident->begin(), resident->end()));
    const auto client = world_->Client(agent);
    for (const auto& [key, item] : fold) {
      const auto read = client->Get(key);
      ASSERT_TRUE(read && *read) << key;
      ASSERT_EQ("0 " + (**read).value, item) << key;
    }
  }
}

// ---- Write-behind -------------------------------------------------------------------------------

constexpr size_t kLagBytes = 1 << 20;

// The log hears nothing from some moment on, and then somebody dies.
void MemcacheCrowdTest::LoseATail(Victim victim) {
  MemcacheCrowd crowd(CrowdOf(fmt::format("v{}-", static_cast<int>(victim))));
  ASSERT_TRUE(crowd.Prepare(world_->Address(0)));
  crowd.Start();
  ASSERT_TRUE(crowd.AwaitAcknowledged(kMany));
  node_ = world_->AwaitLeader(kLog);
  for (size_t node = 0; node < 3; ++node) world_->cluster().Signal(node, SIGSTOP);
  ASSERT_TRUE(crowd.AwaitAcknowledged(kMany)) << "replies wait for the log";
  crowd.Finish();
  ExpectAnOrder(crowd);
  ASSERT_NO_FATAL_FAILURE(Kill(victim));
  for (size_t node = 0; node < 3; ++node) {
    if (world_->cluster().IsRunning(node)) world_->cluster().Signal(node, SIGCONT);
  }
  ASSERT_NO_FATAL_FAILURE(Restart());

  Tail tail;
  const auto client = world_->Client(0);
  for (const CrowdKey& key : crowd.keys()) {
    for (const RegisterCall& call : key.calls) ASSERT_TRUE(call.answered());
    const auto item = client->Get(key.name);
    ASSERT_TRUE(item.has_value());
    AddTo(&tail, key, *item ? std::stoll((**item).value) : 0, MemcacheCrowd::Options().value_bytes);
  }
  EXPECT_GE(tail.first_lost_end, tail.last_kept_begin) << "something in between is missing";
  EXPECT_LE(tail.lost_bytes, kLagBytes);
  fmt::print("{} of {} acknowledged changes lost\n", tail.lost, crowd.acknowledged());
}

TEST_F(MemcacheCrowdTest, WriteBehindLosesATailOfAtMostItsLagWhoeverDies) {
  ASSERT_NO_FATAL_FAILURE(
      Begin({.ttl_ms = 5'000, .flags = {"--mode", "write-behind", "--lag-bytes", "1MiB"}}));
  for (const Victim victim : {Victim::kAgent, Victim::kEngine, Victim::kLogLeader}) {
    ASSERT_NO_FATAL_FAILURE(LoseATail(victim));
  }
  ExpectTheFoldOfTheLog();
}

// A primary that is asked to end waits for the log.
TEST_F(MemcacheCrowdTest, WriteBehindLosesNothingWhenThePrimaryEndsInOrder) {
  ASSERT_NO_FATAL_FAILURE(Begin({.flags = {"--mode", "write-behind", "--lag-bytes", "1MiB"}}));
  MemcacheCrowd crowd(CrowdOf("k"));
  ASSERT_TRUE(crowd.Prepare(world_->Address(0)));
  crowd.Start();
  ASSERT_TRUE(crowd.AwaitAcknowledged(kMany));
  agent_ = world_->AwaitPrimary();
  ASSERT_TRUE(agent_.has_value());
  world_->Signal(*agent_, SIGTERM);
  EXPECT_EQ(world_->AwaitExit(*agent_), std::optional<int>(0)) << world_->Output(*agent_);
  ASSERT_TRUE(crowd.AwaitAcknowledged(kMany));
  ASSERT_NO_FATAL_FAILURE(Restart());
  crowd.Finish();
  ASSERT_NO_FATAL_FAILURE(ReadFromAllAgents(crowd));
  ExpectAnOrder(crowd);
  ExpectTheFoldOfTheLog();
}

TEST_F(MemcacheCrowdTest, WriteBehindEndsInOneStateEverywhereWhoeverDies) {
  ASSERT_NO_FATAL_FAILURE(Begin({.flags = {"--mode", "write-behind", "--lag-bytes", "1MiB"}}));
  MemcacheCrowd crowd(CrowdOf("k"));
  ASSERT_TRUE(crowd.Prepare(world_->Address(0)));
  crowd.Start();
  ASSERT_NO_FATAL_FAILURE(KillOneAfterTheOther(crowd));
  crowd.Finish();
  EXPECT_EQ(crowd.findings(), std::vector<std::string>());
  ExpectTheFoldOfTheLog();
}

}  // namespace
}  // namespace cairn::integration
