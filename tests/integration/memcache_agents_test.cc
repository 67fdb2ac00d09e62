// Agents, memcacheds and a cluster as real processes: what was acknowledged survives whoever dies,
// and clients of any agent hardly notice.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "absl/time/clock.h"
#include "tests/integration/memcache_world.h"

namespace cairn::integration {
namespace {

using adapter::memcache::ReplyKind;
using ::testing::AnyOf;
using ::testing::HasSubstr;

std::string ValueOf(MemcacheClient& client, const std::string& key) {
  const auto item = client.Get(key);
  if (!item) return "no answer";
  return item->has_value() ? (**item).value : "none";
}

// Asks again, on a new connection if it must, until the answer is no error. What was asked may be
// done more than once.
std::string Insist(MemcacheWorld& world, size_t agent, const std::string& command) {
  std::string answer = "none";
  Eventually([&] {
    const auto client = world.Client(agent);
    if (client == nullptr) return false;
    answer = client->Line(command).value_or("SERVER_ERROR no answer");
    return !answer.starts_with("SERVER_ERROR");
  });
  return answer;
}

class MemcacheAgentsTest : public ::testing::Test {
 protected:
  // The world, all of it serving.
  void Begin(MemcacheWorld::Options options) {
    world_ = std::make_unique<MemcacheWorld>(std::move(options));
    world_->StartAllAgents();
    const std::optional<size_t> primary = world_->AwaitPrimary();
    ASSERT_TRUE(primary.has_value()) << world_->Output(0);
    ASSERT_TRUE(world_->AwaitAllServe()) << world_->Output(0);
    primary_ = *primary;
    other_ = (primary_ + 1) % world_->size();
  }

  void EndThePrimaryUnnoticed();

  std::unique_ptr<MemcacheWorld> world_;
  size_t primary_ = 0;
  size_t other_ = 0;
};

TEST_F(MemcacheAgentsTest, AnotherAgentTakesOverWithAllThatWasAcknowledged) {
  ASSERT_NO_FATAL_FAILURE(Begin({}));
  const auto writer = world_->Client(primary_);
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(writer->Set(fmt::format("k{}", i), std::to_string(i)), "STORED");
  }
  const auto token = writer->Get("k7");
  ASSERT_TRUE(token && *token);

  world_->KillAgent(primary_);
  const auto second = world_->AwaitPrimary(primary_);
  ASSERT_TRUE(second.has_value());
  const auto reader = world_->Client(*second);
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(ValueOf(*reader, fmt::format("k{}", i)), std::to_string(i));
  }
  // Of an engine without the flag E nobody can know what happened between a token and another
  // reign; cas_token.h says what such a token looks like.
  const bool of_its_reign = (*token)->cas >> 62 == 1;
  EXPECT_EQ(reader->Line(fmt::format("cas k7 0 0 1 {}\r\nx", (*token)->cas)),
            of_its_reign ? "EXISTS" : "STORED");
  const auto fresh = reader->Get("k7");
  ASSERT_TRUE(fresh && *fresh);
  EXPECT_EQ(reader->Line(fmt::format("cas k7 0 0 1 {}\r\nx", (*fresh)->cas)), "STORED");

  world_->StartAgent(primary_);
  EXPECT_TRUE(world_->AwaitSameEngines()) << world_->Output(primary_);
  EXPECT_EQ(ValueOf(*world_->Engine(primary_), "k7"), "x");
  EXPECT_TRUE(world_->AwaitSameViews()) << world_->Output(primary_);
}

TEST_F(MemcacheAgentsTest, StandbysForwardAndWhoAsksThemKeepsItsConnectionThroughAFailover) {
  ASSERT_NO_FATAL_FAILURE(Begin({}));
  const size_t third = 3 - primary_ - other_;
  const auto client = world_->Client(other_);
  const auto neighbour = world_->Client(third);
  EXPECT_EQ(client->Set("k", "1"), "STORED");
  EXPECT_EQ(ValueOf(*neighbour, "k"), "1");
  EXPECT_EQ(neighbour->Line("incr k 5"), "6");
  EXPECT_EQ(ValueOf(*client, "k"), "6");
  EXPECT_EQ(ValueOf(*world_->Engine(primary_), "k"), "6");

  world_->KillAgent(primary_);
  // The same connections, without a pause: they wait for the next primary.
  EXPECT_EQ(ValueOf(*client, "k"), "6");
  EXPECT_EQ(neighbour->Line("incr k 1"), "7");
  EXPECT_EQ(client->Line("incr k 1"), "8");
}

TEST_F(MemcacheAgentsTest, AnEngineThatDiedComesBackWithEverything) {
  ASSERT_NO_FATAL_FAILURE(Begin({.agents = 1}));
  ASSERT_EQ(world_->Client(0)->Set("n", "41"), "STORED");
  ASSERT_TRUE(world_->KillEngine(0));
  // The engine may not be missed yet, but then nothing was done.
  EXPECT_EQ(Insist(*world_, 0, "incr n 1"), "42") << world_->Output(0);
  EXPECT_TRUE(world_->AwaitSameViews());
}

TEST_F(MemcacheAgentsTest, WhoWasStoppedBeyondItsLeaseShowsNothingOld) {
  ASSERT_NO_FATAL_FAILURE(Begin({}));
  const auto old = world_->Client(primary_);
  ASSERT_EQ(old->Set("k", "old"), "STORED");
  world_->Stop(primary_);
  // Asked before it knows that it is deposed.
  ASSERT_TRUE(old->Send("get k\r\nset late 0 0 1\r\nx\r\n"));
  const auto second = world_->AwaitPrimary(primary_);
  ASSERT_TRUE(second.has_value());
  ASSERT_EQ(world_->Client(*second)->Set("k", "new"), "STORED");
  world_->Signal(primary_, SIGCONT);
  const auto read = old->Read(ReplyKind::kValues);
  ASSERT_TRUE(read.has_value());
  EXPECT_TRUE(*read == "VALUE k 0 3\r\nnew\r\nEND\r\n" || read->starts_with("SERVER_ERROR"))
      << *read;
  const auto written = old->Read(ReplyKind::kLine);
  ASSERT_TRUE(written.has_value());
  const std::string late = ValueOf(*world_->Client(*second), "late");
  EXPECT_TRUE(*written != "STORED\r\n" || late == "x") << late;
  EXPECT_EQ(ValueOf(*old, "k"), "new");
  EXPECT_TRUE(world_->AwaitSameEngines()) << world_->Output(primary_);
}

// Clients of a standby count, each in its own key, while the primary is asked to end: none of them
// may hear of it.
void MemcacheAgentsTest::EndThePrimaryUnnoticed() {
  constexpr int kClients = 4;
  std::atomic<bool> stop{false};
  std::atomic<int64_t> counted{0};
  std::vector<std::string> complaints(kClients);
  std::vector<std::thread> threads;
  for (int i = 0; i < kClients; ++i) {
    threads.emplace_back([&, i] {
      const auto client = world_->Client(other_);
      client->Line(fmt::format("add n{} 0 0 1\r\n0", i));
      for (int64_t next = 1; !stop && complaints[i].empty(); ++next) {
        const std::string answer = client->Line(fmt::format("incr n{} 1", i)).value_or("none");
        const std::string read = ValueOf(*client, fmt::format("n{}", i));
        if (answer != std::to_string(next) || read != answer) {
          complaints[i] = fmt::format("{}, then {}, at {}", answer, read, next);
        }
        ++counted;
      }
    });
  }
  const auto await = [&](int64_t more) {
    const int64_t enough = counted + more;
    return Eventually([&] { return counted >= enough; });
  };
  EXPECT_TRUE(await(200));
  world_->Signal(primary_, SIGTERM);
  EXPECT_EQ(world_->AwaitExit(primary_), std::optional<int>(0)) << world_->Output(primary_);
  // Long before the lease would have run out.
  EXPECT_TRUE(world_->AwaitPrimary(primary_, 15).has_value());
  EXPECT_TRUE(await(200));
  stop = true;
  for (std::thread& thread : threads) thread.join();
  for (const std::string& complaint : complaints) EXPECT_EQ(complaint, "");
}

TEST_F(MemcacheAgentsTest, AHandOverIsNotNoticedByClientsOfStandbys) {
  ASSERT_NO_FATAL_FAILURE(Begin({.ttl_ms = 20'000}));
  // A primary hands over to whom it knows.
  ASSERT_TRUE(
      Eventually([&] { return world_->Metric(primary_, "cairn_agent_known_agents") == 3.0; }));
  EndThePrimaryUnnoticed();
  EXPECT_THAT(world_->Output(primary_), HasSubstr("handed over"));
}

TEST_F(MemcacheAgentsTest, AnEndWithoutAnHeirIsNotNoticedByClientsOfStandbys) {
  ASSERT_NO_FATAL_FAILURE(Begin({.ttl_ms = 20'000}));
  EndThePrimaryUnnoticed();
}

// ---- Order --------------------------------------------------------------------------------------

// Of many changes of a key under way when a reign ends only one has begun; the others are asked
// again in the next one, in the client's order.
TEST_F(MemcacheAgentsTest, WhatIsAskedAgainIsAskedInTheClientsOrder) {
  constexpr int kChanges = 400;
  ASSERT_NO_FATAL_FAILURE(Begin({.agents = 1}));
  const auto client = world_->Client(0);
  ASSERT_EQ(client->Set("k", ""), "STORED");
  world_->cluster().Signal(0, SIGSTOP);
  std::string changes;
  std::string want;
  for (int i = 0; i < kChanges; ++i) {
    changes += fmt::format("append k 0 0 4\r\n{:03},\r\n", i);
    want += fmt::format("{:03},", i);
  }
  ASSERT_TRUE(client->Send(changes));
  ASSERT_TRUE(Eventually([&] {
    return world_->Metric(0, "cairn_agent_role{role=\"primary\"}") == 0.0;
  })) << world_->Output(0);
  world_->cluster().Signal(0, SIGCONT);
  const std::string first = client->Read(ReplyKind::kLine).value_or("none");
  EXPECT_TRUE(first == "STORED\r\n" || first.starts_with("SERVER_ERROR")) << first;
  for (int i = 1; i < kChanges; ++i) ASSERT_EQ(client->Read(ReplyKind::kLine), "STORED\r\n") << i;
  // What is unknown may be there or not.
  EXPECT_THAT(ValueOf(*client, "k"), AnyOf(want, want.substr(4)));
}

TEST_F(MemcacheAgentsTest, WhoEndsItsInputStillGetsItsReplies) {
  ASSERT_NO_FATAL_FAILURE(Begin({.agents = 2, .ttl_ms = 5'000}));
  for (const size_t agent : {primary_, other_}) {
    const auto shell = world_->Client(agent);
    ASSERT_TRUE(shell->Send("set k 0 0 2\r\nxy\r\nget k\r\nmn\r\n"));
    shell->EndOutput();
    EXPECT_EQ(shell->ReadToEnd(), "STORED\r\nVALUE k 0 2\r\nxy\r\nEND\r\nMN\r\n");
  }
}

// ---- Flushes ------------------------------------------------------------------------------------

TEST_F(MemcacheAgentsTest, AFlushHoldsOnAllAgentsAndAfterThem) {
  ASSERT_NO_FATAL_FAILURE(Begin({}));
  const auto client = world_->Client(other_);
  ASSERT_EQ(client->Set("before", "1"), "STORED");
  ASSERT_EQ(client->Line("flush_all"), "OK");
  ASSERT_EQ(client->Set("after", "2"), "STORED");
  EXPECT_EQ(ValueOf(*client, "before"), "none");
  world_->KillAgent(primary_);
  EXPECT_EQ(ValueOf(*client, "before"), "none");
  EXPECT_EQ(ValueOf(*client, "after"), "2");
  world_->StartAgent(primary_);
  EXPECT_TRUE(world_->AwaitSameEngines()) << world_->Output(primary_);
}

TEST_F(MemcacheAgentsTest, AFlushInAdvanceIsDoneByWhoeverIsThePrimaryThen) {
  ASSERT_NO_FATAL_FAILURE(Begin({}));
  const auto client = world_->Client(other_);
  ASSERT_EQ(client->Set("k", "1"), "STORED");
  const absl::Time due = absl::Now() + absl::Seconds(4);
  ASSERT_EQ(client->Line("flush_all 4"), "OK");
  world_->KillAgent(primary_);
  const std::string early = ValueOf(*client, "k");
  // memcached counts in whole seconds.
  if (absl::Now() < due - absl::Seconds(1)) {
    EXPECT_EQ(early, "1");
  }
  EXPECT_TRUE(Eventually([&] { return ValueOf(*client, "k") == "none"; }, 20));
  EXPECT_EQ(client->Set("k", "2"), "STORED");
  world_->StartAgent(primary_);
  EXPECT_TRUE(world_->AwaitSameEngines()) << world_->Output(primary_);
  EXPECT_EQ(ValueOf(*client, "k"), "2");
}

// It is due while the log does not answer, so that it is ordered in one reign and done in the next.
TEST_F(MemcacheAgentsTest, AFlushThatDidNotCommitIsDoneInTheNextReign) {
  ASSERT_NO_FATAL_FAILURE(Begin({.agents = 1, .ttl_ms = 4'000}));
  const auto client = world_->Client(0);
  ASSERT_EQ(client->Set("k", "1"), "STORED");
  ASSERT_EQ(client->Line("flush_all 2"), "OK");
  const absl::Time due = absl::Now() + absl::Seconds(2);
  world_->cluster().Signal(0, SIGSTOP);
  EXPECT_TRUE(
      Eventually([&] { return world_->Metric(0, "cairn_agent_role{role=\"primary\"}") == 0.0; }));
  EXPECT_GT(absl::Now(), due) << "it was due in the reign";
  world_->cluster().Signal(0, SIGCONT);
  EXPECT_TRUE(Eventually([&] { return ValueOf(*world_->Client(0), "k") == "none"; }, 20))
      << world_->Output(0);
}

// ---- Write-behind -------------------------------------------------------------------------------

// One client writes a sequence over a few keys, of which the log hears nothing from some moment on.
// What is left is what the first so many writes left, and no more is missing than the log may be
// behind.
TEST_F(MemcacheAgentsTest, WriteBehindLosesAtMostItsLagAndNothingInBetween) {
  constexpr int kKeys = 5;
  constexpr size_t kValueBytes = 10'000;
  constexpr int kLagBytes = 1 << 20;
  ASSERT_NO_FATAL_FAILURE(
      Begin({.ttl_ms = 5'000, .flags = {"--mode", "write-behind", "--lag-bytes", "1MiB"}}));
  const auto client = MemcacheClient::Connect(world_->Address(primary_), absl::Seconds(1));
  int written = 0;
  const auto write = [&] {
    const std::string value = fmt::format("{:0{}}", written, kValueBytes);
    const bool stored = client->Set(fmt::format("k{}", written % kKeys), value) == "STORED";
    if (stored) ++written;
    return stored;
  };
  // So many fit into the bound, should none of them be committed by then.
  constexpr int kBefore = kLagBytes / static_cast<int>(kValueBytes) - 4;
  while (written < kBefore) ASSERT_TRUE(write());
  world_->cluster().Signal(0, SIGSTOP);
  while (write()) ASSERT_LT(written, 1'000) << "the log may not be so far behind";
  EXPECT_GT(written, kBefore) << "replies do not wait for the log";
  world_->KillAgent(primary_);
  world_->cluster().Signal(0, SIGCONT);

  ASSERT_TRUE(world_->AwaitPrimary(primary_).has_value());
  const auto reader = world_->Client(other_);
  std::vector<int> last;
  for (int key = 0; key < kKeys; ++key) {
    last.push_back(std::stoi(ValueOf(*reader, fmt::format("k{}", key))));
  }
  const int kept = *std::max_element(last.begin(), last.end()) + 1;
  // The last one may have been done without a reply.
  EXPECT_LE(kept, written + 1);
  for (int i = kept - kKeys; i < kept; ++i) EXPECT_EQ(last[i % kKeys], i) << "of " << kept;
  EXPECT_LE(written - kept, kLagBytes / static_cast<int>(kValueBytes) + 1) << "of " << written;
  world_->StartAgent(primary_);
  EXPECT_TRUE(world_->AwaitSameEngines()) << world_->Output(primary_);
}

}  // namespace
}  // namespace cairn::integration
