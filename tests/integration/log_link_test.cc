// The agent's side of its log, against a real node: what the head says, what the desk holds, and
// what the publisher may append.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <asio/io_context.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "adapter/agent_presence.h"
#include "adapter/lease_desk.h"
#include "adapter/log_head.h"
#include "adapter/log_publisher.h"
#include "base/check.h"
#include "cairn/admin.h"
#include "cairn/client.h"
#include "cairn/error.h"
#include "tests/integration/process_cluster.h"
#include "tests/support/temp_dir.h"

namespace cairn::adapter {
namespace {

using integration::ProcessCluster;

constexpr std::chrono::seconds kDeadline{30};

// A payload is "<history> <offset>", or "part": nothing whole ends with it.
absl::StatusOr<std::optional<StreamPlace>> ReadPlace(Record* record) {
  const std::string& payload = record->payload;
  if (payload == "part") return std::optional<StreamPlace>();
  const size_t blank = payload.find(' ');
  if (blank == std::string::npos) return absl::DataLossError("not of a cache");
  return std::optional<StreamPlace>(
      StreamPlace{payload.substr(0, blank), StreamOffset(std::stoull(payload.substr(blank + 1)))});
}

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

class LogLinkTest : public ::testing::Test {
 protected:
  explicit LogLinkTest(size_t nodes = 1)
      : cluster_({.program = CAIRN_BIN_DIR "/cairnd",
                  .dir = dir_.path(),
                  .nodes = nodes,
                  .flags = {},
                  .hosts = {}}) {
    cluster_.StartAll();
    CHECK(cluster_.AwaitAllReady());
    ClientOptions options;
    options.endpoints = cluster_.Endpoints();
    client_ = *Client::Connect(std::move(options));
    OpenLogOptions open;
    open.create_if_missing = true;
    open.settings.fenced = true;
    log_ = std::make_unique<Log>(*client_->OpenLog("cache", open));
  }

  // The test's thread is the engine thread.
  template <class Condition>
  bool Until(Condition condition) {
    const auto give_up = std::chrono::steady_clock::now() + kDeadline;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > give_up) return false;
      io_.restart();
      io_.run_for(std::chrono::milliseconds(5));
    }
    return true;
  }
  void Finish(asio::awaitable<void> coroutine) {
    bool done = false;
    asio::co_spawn(io_, std::move(coroutine), [&](const std::exception_ptr&) { done = true; });
    CHECK(Until([&] { return done; }));
  }

  testing::TempDir dir_;
  ProcessCluster cluster_;
  std::unique_ptr<Client> client_;
  std::unique_ptr<Log> log_;
  asio::io_context io_;
  Background background_{6};
};

class LogOfThreeNodesTest : public LogLinkTest {
 protected:
  LogOfThreeNodesTest() : LogLinkTest(3) {}
};

// One agent, without an engine.
class TestAgent : public LogHeadOwner, public LogPublisherOwner {
 public:
  TestAgent(asio::io_context& io, Background* background, const Log& log, const std::string& name)
      : names_(name, "life", name + ":1"),
        io_(io),
        log_(log),
        head_(io.get_executor(), background, log, {}, &names_, ReadPlace, this),
        desk_(io.get_executor(), background, log, {}, &names_, &SystemClock(),
              [this](RoleEvent event) { told.push_back(std::move(event)); }) {}

  void OnSeen(const LogSeenEvent& event) override { seen.push_back(event); }
  void OnHeadFailed(const absl::Status& why) override { head_failure = why; }
  void OnAppended(uint64_t ticket, Seq seq) override {
    appended = ticket;
    last_seq = seq;
  }
  void OnAppendFailed(PublisherTrouble why, const absl::Status&) override { trouble = why; }

  // The newest event of that kind.
  template <class Event>
  const Event* Told() const {
    for (auto it = told.rbegin(); it != told.rend(); ++it) {
      if (const auto* event = std::get_if<Event>(&*it)) return event;
    }
    return nullptr;
  }
  void OpenPublisher(Epoch epoch) {
    LogPublisher::Options options;
    options.epoch = epoch;
    publisher = *LogPublisher::Start(io_.get_executor(), log_, options, this);
  }
  void Append(const std::string& payload) {
    NewRecord record;
    record.payload = payload;
    ASSERT_TRUE(publisher->TryAppend(record).ok());
  }

  const HolderNames names_;
  asio::io_context& io_;
  const Log log_;
  LogHead head_;
  LeaseDesk desk_;
  std::unique_ptr<LogPublisher> publisher;
  std::vector<LogSeenEvent> seen;
  std::vector<RoleEvent> told;
  absl::Status head_failure;
  uint64_t appended = 0;
  Seq last_seq;
  std::optional<PublisherTrouble> trouble;
};

asio::awaitable<void> StartHead(TestAgent* agent) {
  const absl::Status started = co_await agent->head_.Start();
  CHECK(started.ok());
}

asio::awaitable<void> StopAgent(TestAgent* agent) {
  agent->publisher.reset();
  co_await agent->head_.Stop();
  co_await agent->desk_.Stop();
}

TEST_F(LogLinkTest, ALeaseIsWonUsedHandedOverAndSeenByAll) {
  TestAgent one(io_, &background_, *log_, "one");
  TestAgent two(io_, &background_, *log_, "two");
  Finish(StartHead(&one));
  Finish(StartHead(&two));
  ASSERT_TRUE(Until([&] { return one.seen.back().caught_up && two.seen.back().caught_up; }));
  EXPECT_EQ(one.seen.back().lease.owner, LeaseOwner::kNobody);
  EXPECT_FALSE(one.desk_.guard()->IsSafe());

  one.desk_.Do(CampaignOrder{1, Seq()});
  ASSERT_TRUE(Until([&] { return one.Told<GrantedEvent>() != nullptr; }));
  const Epoch epoch = one.Told<GrantedEvent>()->epoch;
  EXPECT_TRUE(one.desk_.guard()->IsSafe());
  one.desk_.Look();
  ASSERT_NE(one.Told<LeaseSafeEvent>(), nullptr);
  EXPECT_EQ(one.Told<LeaseSafeEvent>()->epoch, epoch);

  two.desk_.Do(CampaignOrder{1, Seq(epoch.value())});
  ASSERT_TRUE(Until([&] { return two.Told<RefusedEvent>() != nullptr; }));
  EXPECT_EQ(two.Told<RefusedEvent>()->why, Refusal::kHeld);

  one.OpenPublisher(epoch);
  one.Append("history 10");
  one.Append("history 20");
  ASSERT_TRUE(Until([&] { return one.appended == 2; }));
  const Seq last = one.last_seq;
  EXPECT_EQ(last, Seq(epoch.value() + 2));
  ASSERT_TRUE(Until([&] { return two.seen.back().read_seq == last; }));
  EXPECT_EQ(two.seen.back().lease.owner, LeaseOwner::kOther);
  EXPECT_EQ(two.seen.back().others_epoch, epoch);
  EXPECT_EQ(two.seen.back().published, (Meeting{{"history", StreamOffset(20)}, last}));

  // Refused for certain: as safe as before. Done: never again.
  one.desk_.Do(TransferOrder{epoch, two.names_.incarnation(), Seq(1)});
  EXPECT_FALSE(one.desk_.guard()->IsSafe());
  ASSERT_TRUE(Until([&] { return one.Told<NotTransferredEvent>() != nullptr; }));
  EXPECT_EQ(one.Told<NotTransferredEvent>()->why, Refusal::kConditionFailed);
  EXPECT_TRUE(one.desk_.guard()->IsSafe());
  one.desk_.Do(TransferOrder{epoch, two.names_.incarnation(), last});
  ASSERT_TRUE(Until([&] { return one.Told<TransferredEvent>() != nullptr; }));
  EXPECT_FALSE(one.desk_.guard()->IsSafe());
  EXPECT_EQ(one.Told<LeaseLostEvent>(), nullptr);

  const Epoch heir = one.Told<TransferredEvent>()->heir_epoch;
  ASSERT_TRUE(Until([&] { return two.seen.back().lease.epoch == heir; }));
  EXPECT_EQ(two.seen.back().lease.owner, LeaseOwner::kMine);
  EXPECT_TRUE(two.seen.back().lease.transferred);
  two.desk_.Do(AdoptLeaseOrder{2, heir});
  ASSERT_TRUE(Until([&] { return two.Told<GrantedEvent>() != nullptr; }));
  EXPECT_TRUE(two.desk_.guard()->IsSafe());

  one.Append("history 30");
  ASSERT_TRUE(Until([&] { return one.trouble.has_value(); }));
  EXPECT_EQ(*one.trouble, PublisherTrouble::kFenced);

  two.desk_.Do(ReleaseOrder{heir});
  EXPECT_FALSE(two.desk_.guard()->IsSafe());
  ASSERT_TRUE(Until([&] { return one.seen.back().lease.owner == LeaseOwner::kNobody; }));
  Finish(StopAgent(&one));
  Finish(StopAgent(&two));
  EXPECT_TRUE(one.head_failure.ok() && two.head_failure.ok());
}

TEST_F(LogLinkTest, AHeadBeginsWithTheLastWholeRecordHoweverFarBackItIs) {
  Epoch epoch;
  {
    TestAgent writer(io_, &background_, *log_, "one");
    writer.desk_.Do(CampaignOrder{1, Seq()});
    ASSERT_TRUE(Until([&] { return writer.Told<GrantedEvent>() != nullptr; }));
    epoch = writer.Told<GrantedEvent>()->epoch;
    writer.OpenPublisher(epoch);
    writer.Append("history 7");
    for (int i = 0; i < 100; ++i) writer.Append("part");
    ASSERT_TRUE(Until([&] { return writer.appended == 101; }));
    Finish(StopAgent(&writer));
  }
  TestAgent reader(io_, &background_, *log_, "two");
  Finish(StartHead(&reader));
  const LogSeenEvent& first = reader.seen.front();
  EXPECT_EQ(first.read_seq, Seq(epoch.value() + 101));
  EXPECT_EQ(first.published, (Meeting{{"history", StreamOffset(7)}, Seq(epoch.value() + 1)}));
  EXPECT_EQ(first.lease.owner, LeaseOwner::kOther);
  EXPECT_EQ(first.lease.epoch, epoch);
  Finish(StopAgent(&reader));
}

TEST_F(LogLinkTest, ARestartedAgentTakesItsOwnLeaseOverAndFencesItsPast) {
  TestAgent past(io_, &background_, *log_, "one");
  past.desk_.Do(CampaignOrder{1, Seq()});
  ASSERT_TRUE(Until([&] { return past.Told<GrantedEvent>() != nullptr; }));
  const Epoch old = past.Told<GrantedEvent>()->epoch;
  past.OpenPublisher(old);
  past.Append("history 1");
  ASSERT_TRUE(Until([&] { return past.appended == 1; }));

  TestAgent now(io_, &background_, *log_, "one");
  now.desk_.Do(TakeOverOrder{2, old, past.last_seq});
  ASSERT_TRUE(Until([&] { return now.Told<GrantedEvent>() != nullptr; }));
  EXPECT_GT(now.Told<GrantedEvent>()->epoch, old);
  past.Append("history 2");
  ASSERT_TRUE(Until([&] { return past.trouble.has_value(); }));
  EXPECT_EQ(*past.trouble, PublisherTrouble::kFenced);
  Finish(StopAgent(&past));
  Finish(StopAgent(&now));
}

// A node that says that it has no quorum says so in a heartbeat, of which there are none while
// there are records.
TEST_F(LogOfThreeNodesTest, ABusyLogAnswersAgainAsSoonAsItHasAQuorum) {
  TestAgent agent(io_, &background_, *log_, "one");
  Finish(StartHead(&agent));
  agent.desk_.Do(CampaignOrder{1, Seq()});
  ASSERT_TRUE(Until([&] { return agent.Told<GrantedEvent>() != nullptr; }));
  agent.OpenPublisher(agent.Told<GrantedEvent>()->epoch);
  ASSERT_TRUE(Until([&] { return agent.head_.reachable(); }));
  for (size_t node = 1; node < 3; ++node) cluster_.Signal(node, SIGSTOP);
  ASSERT_TRUE(Until([&] { return !agent.head_.reachable(); }));
  for (size_t node = 1; node < 3; ++node) cluster_.Signal(node, SIGCONT);
  uint64_t appends = 0;
  EXPECT_TRUE(Until([&] {
    agent.Append(fmt::format("history {}", ++appends));
    return agent.head_.reachable();
  })) << "after "
      << agent.appended << " appends";
  Finish(StopAgent(&agent));
}

TEST_F(LogLinkTest, ALogThatAnybodyMayAppendToIsRefused) {
  OpenLogOptions open;
  open.create_if_missing = true;
  const Log log = *client_->OpenLog("open", open);
  TestAgent agent(io_, &background_, log, "one");
  absl::Status started;
  bool done = false;
  asio::co_spawn(io_, agent.head_.Start(), [&](const std::exception_ptr&, absl::Status status) {
    started = std::move(status);
    done = true;
  });
  ASSERT_TRUE(Until([&] { return done; }));
  EXPECT_TRUE(absl::IsFailedPrecondition(started)) << started.ToString();
  Finish(StopAgent(&agent));
}

TEST_F(LogLinkTest, AgentsKnowOfEachOtherUntilTheySayGoodBye) {
  const auto presence = [&](const std::string& name) {
    AgentPresence::Options options;
    options.log_name = "cache";
    options.address = name + ":1";
    options.holder = name;
    options.interval = absl::Milliseconds(50);
    return std::make_unique<AgentPresence>(io_.get_executor(), &background_, client_.get(), options,
                                           [](const std::vector<PresentAgent>&) {});
  };
  auto one = presence("one");
  auto two = presence("two");
  one->Start();
  two->Start();
  const PresentAgent first = {.address = "one:1", .sentinel = "", .holder = "one"};
  const PresentAgent second = {.address = "two:1", .sentinel = "", .holder = "two"};
  const std::vector<PresentAgent> both = {first, second};
  ASSERT_TRUE(Until([&] { return one->agents() == both && two->agents() == both; }));
  Finish(two->Stop());
  const std::vector<PresentAgent> alone = {first};
  ASSERT_TRUE(Until([&] { return one->agents() == alone; }));
  // They looked many times, and asked for their log once each: such calls are audited.
  EXPECT_EQ(Count(cluster_.Output(0), R"("log":"cache.agents")"), 2u);
  Finish(one->Stop());
}

TEST_F(LogLinkTest, AnAgentIsFoundAgainWhenTheLogOfAgentsWasDeleted) {
  AgentPresence::Options options{.log_name = "cache", .address = "one:1", .holder = "one"};
  options.interval = absl::Milliseconds(50);
  options.ttl = absl::Milliseconds(500);
  AgentPresence presence(io_.get_executor(), &background_, client_.get(), options,
                         [](const std::vector<PresentAgent>&) {});
  presence.Start();
  ASSERT_TRUE(Until([&] { return presence.agents().size() == 1; }));
  const Log agents = *client_->OpenLog("cache.agents", {});
  ASSERT_TRUE(client_->admin().DeleteLog(agents.name(), agents.id()).ok());
  ASSERT_TRUE(Until([&] {
    const auto found = AgentPresence::List(client_.get(), "cache");
    return found.ok() && found->size() == 1;
  }));
  Finish(presence.Stop());
}

}  // namespace
}  // namespace cairn::adapter
