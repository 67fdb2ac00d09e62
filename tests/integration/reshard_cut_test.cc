// The cut of a move, step by step: flushes at the target between *prepared* and *moved*, keys that
// are too hot for it, and calls that do not end before it.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "tests/integration/played_source.h"
#include "tests/integration/shard_world.h"
#include "tests/integration/slot_client.h"
#include "tests/support/random_bytes.h"
#include "tests/support/resp_client.h"

namespace cairn::integration {
namespace {

using adapter::redis::MovePhase;
using adapter::redis::RespValue;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int kKeys = 300;
constexpr size_t kTarget = 1;  // The agent.

std::string KeyName(int i) { return fmt::format("{{bar}}{}", i); }

// Again until somebody says something that is no refusal.
std::optional<RespValue> Ask(SlotClient& client, const std::vector<std::string>& argv) {
  std::optional<RespValue> answer;
  EXPECT_TRUE(Eventually([&] {
    answer = client.Do(argv);
    return answer && !answer->error();
  })) << argv[0];
  return answer;
}

// The test is the source, so it decides when the target can go on.
class FlushAtTheCutTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // What is held back is refused soon, which tells that it was held back.
    shards_.world().SetEnvironment({"CAIRN_AGENT_HOLD_TIMEOUT_MS=1000"});
    ASSERT_NO_FATAL_FAILURE(shards_.Begin());
    SlotClient client(shards_.Addresses());
    for (int i = 0; i < kKeys; ++i) Ask(client, {"SET", KeyName(i), "v"});
    Ask(client, {"SET", "foo", "of the target"});
    shards_.world().KillAgent(0);
    source_.emplace(&shards_);
    ASSERT_EQ(shards_.Tool({"--slots", "5000-5100", "--to", "2", "--wait", "false"}), 0)
        << shards_.ToolOutput();
    source_->Confirm();
    Prepare();
  }

  // Until the target's front holds the slots back, too.
  void Prepare() {
    ASSERT_TRUE(source_->AwaitReady()) << shards_.world().Output(kTarget);
    source_->PrepareAhead();
    ASSERT_TRUE(Eventually([&] {
      const auto client = testing::RespClient::Connect(shards_.world().Address(kTarget));
      const auto answer = client->Do({"GET", KeyName(0)});
      return answer && answer->text.starts_with("TRYAGAIN");
    }));
  }
  std::string AtTheEngine(const std::vector<std::string>& argv) {
    const auto engine = shards_.world().Engine(kTarget);
    const auto answer = engine == nullptr ? std::nullopt : engine->Do(argv);
    if (!answer) return "no answer";
    return answer->text.empty() ? fmt::format("{}", answer->integer) : answer->text;
  }
  void ExpectMoved(const std::string& value) {
    ASSERT_TRUE(shards_.AwaitPhase(1, MovePhase::kMoved)) << shards_.world().Output(kTarget);
    SlotClient client({shards_.world().Address(kTarget)});
    for (int i = 0; i < kKeys; ++i) EXPECT_EQ(Ask(client, {"GET", KeyName(i)})->text, value) << i;
  }

  ShardWorld shards_;
  std::optional<PlayedSource> source_;
};

TEST_F(FlushAtTheCutTest, OneThatIsHeldBackForTooLongIsRefusedAndHasDoneNothing) {
  const auto client = testing::RespClient::Connect(shards_.world().Address(kTarget));
  for (const char* flush : {"FLUSHALL", "FLUSHDB"}) {
    const auto answer = client->Do({flush});
    ASSERT_TRUE(answer.has_value());
    EXPECT_THAT(answer->text, StartsWith("TRYAGAIN slots are being moved"));
  }
  EXPECT_EQ(AtTheEngine({"DBSIZE"}), fmt::format("{}", kKeys + 1));
  source_->LetItCome();
  ExpectMoved("v");
}

TEST_F(FlushAtTheCutTest, OneThatWaitsIsDoneBehindTheMove) {
  const auto client = testing::RespClient::Connect(shards_.world().Address(kTarget));
  ASSERT_TRUE(client->Send({"FLUSHALL"}));
  EXPECT_EQ(AtTheEngine({"DBSIZE"}), fmt::format("{}", kKeys + 1));
  source_->LetItCome();
  auto answer = client->Next();
  ASSERT_TRUE(Eventually([&] {
    // Of a machine that was too slow it is refused, and not done.
    if (answer && answer->error()) answer = client->Do({"FLUSHALL"});
    return answer && answer->text == "OK";
  }));
  ExpectMoved("");
  EXPECT_EQ(AtTheEngine({"DBSIZE"}), "0") << "it was the slots' owner who did it";
}

// The front had sent it before it heard of the cut.
TEST_F(FlushAtTheCutTest, OneThatWasWithTheEngineTakesNoKeyOfTheSlots) {
  EXPECT_EQ(AtTheEngine({"FLUSHALL"}), "OK");
  source_->LetItCome();
  ExpectMoved("v");
  EXPECT_EQ(AtTheEngine({"EXISTS", "foo"}), "0");
}

TEST_F(FlushAtTheCutTest, NorDoesOneBeforeTheSourceWithdraws) {
  EXPECT_EQ(AtTheEngine({"FLUSHALL"}), "OK");
  source_->Withdraw();
  source_->LetItCome();
  ASSERT_NO_FATAL_FAILURE(Prepare());
  EXPECT_EQ(AtTheEngine({"FLUSHDB"}), "OK");
  source_->LetItCome();
  ExpectMoved("v");
}

// Writes the first bytes of one key, again and again.
class HotKey {
 public:
  HotKey(std::vector<std::string> addresses, std::string key)
      : client_(std::move(addresses)), key_(std::move(key)), thread_([this] { Run(); }) {}
  ~HotKey() { Stop(); }

  // The last number that was acknowledged.
  uint64_t Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
    return acknowledged_;
  }
  [[nodiscard]] uint64_t acknowledged() const { return acknowledged_; }
  static std::string Text(uint64_t number) { return fmt::format("{:012}", number); }

 private:
  void Run() {
    for (uint64_t number = 1; !stop_; ++number) {
      const auto answer = client_.Do({"SETRANGE", key_, "0", Text(number)});
      if (!answer || answer->error()) break;  // Then what stands there would be unknown.
      acknowledged_ = number;
    }
  }

  SlotClient client_;
  const std::string key_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> acknowledged_{0};
  std::thread thread_;
};

TEST(HotKeyTest, EndsTheMoveWithItsNameOrGoesAlongWithMorePatience) {
  ShardWorld shards;
  ASSERT_NO_FATAL_FAILURE(shards.Begin());
  SlotClient client(shards.Addresses());
  const std::string bytes = testing::RandomBytes(8'000'000);  // That cannot be compressed.
  ASSERT_EQ(Ask(client, {"SET", "{bar}big", bytes})->text, "OK");
  HotKey hot(shards.Addresses(), "{bar}big");
  ASSERT_TRUE(Eventually([&] { return hot.acknowledged() > 10; }));
  EXPECT_EQ(shards.Tool({"--slots", "5000-5100", "--to", "2", "--cut-timeout-ms", "100"}), 1);
  EXPECT_THAT(shards.ToolOutput(),
              HasSubstr("the move was taken back: key \"{bar}big\" (slot 5061"));
  EXPECT_THAT(shards.ToolOutput(), HasSubstr("move its slot alone with --cut-timeout-ms "));
  const uint64_t before = hot.acknowledged();
  EXPECT_TRUE(Eventually([&] { return hot.acknowledged() > before + 10; })) << "it goes on here";
  EXPECT_EQ(shards.CountEngines("{bar}big"), 1);

  EXPECT_EQ(shards.Tool({"--slots", "5061-5061", "--to", "2", "--cut-timeout-ms", "60000"}), 0)
      << shards.ToolOutput();
  const uint64_t moved = hot.acknowledged();
  EXPECT_TRUE(Eventually([&] { return hot.acknowledged() > moved + 10; })) << "and there";
  const uint64_t last = hot.Stop();
  EXPECT_EQ(Ask(client, {"GETRANGE", "{bar}big", "0", "11"})->text, HotKey::Text(last));
  EXPECT_EQ(Ask(client, {"STRLEN", "{bar}big"})->integer, 8'000'000);
  EXPECT_EQ(shards.CountEngines("{bar}big"), 1);
}

// The rest of it, with the time played: slot_keeper_test.cc.
TEST(LongCallTest, AMoveGoesOnWhenTheScriptHasEnded) {
  ShardWorld shards;
  ASSERT_NO_FATAL_FAILURE(shards.Begin());
  SlotClient client(shards.Addresses());
  ASSERT_EQ(Ask(client, {"SET", "{bar}1", "x"})->text, "OK");
  const auto engine = shards.world().Engine(0);
  ASSERT_EQ(engine->Do({"CONFIG", "SET", "lua-time-limit", "100"})->text, "OK");
  const auto busy = testing::RespClient::Connect(shards.world().Address(0));
  ASSERT_TRUE(busy->Send({"EVAL", "while true do end", "1", "{bar}1"}));
  ASSERT_TRUE(Eventually([&] { return engine->Do({"PING"})->text.starts_with("BUSY "); }));
  ASSERT_EQ(shards.Tool({"--slots", "5000-5100", "--to", "2", "--wait", "false"}), 0);
  EXPECT_TRUE(Eventually([&] {
    return shards.world().Output(0).find("are with the source's engine for longer") !=
           std::string::npos;
  })) << shards.world().Output(0);
  EXPECT_EQ(shards.Slots().move->phase, MovePhase::kReady);
  EXPECT_EQ(engine->Do({"SCRIPT", "KILL"})->text, "OK");
  EXPECT_TRUE(busy->Next()->error());
  ASSERT_TRUE(shards.AwaitOver(1));
  EXPECT_TRUE(shards.Slots().last_moved) << shards.Slots().why;
  EXPECT_EQ(Ask(client, {"GET", "{bar}1"})->text, "x");
  EXPECT_EQ(shards.CountEngines("{bar}1"), 1);
}

}  // namespace
}  // namespace cairn::integration
