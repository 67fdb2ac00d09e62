// Many logs on real processes: they hibernate, and whoever leads them may die, hang or lose its
// lease while they do.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "cairn/client.h"
#include "cairn/log.h"
#include "tests/integration/process_cluster.h"
#include "tests/support/temp_dir.h"

namespace cairn::integration {
namespace {

constexpr size_t kLogs = 100;
constexpr size_t kNodes = 3;

class ManyLogsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    cluster_ = std::make_unique<ProcessCluster>(ProcessCluster::Options{
        .program = CAIRN_BIN_DIR "/cairnd",
        .dir = dir_.path(),
        .nodes = kNodes,
        .flags = {"--hibernate-after-ms=300", fmt::format("--metrics-per-log={}", kLogs)}});
    cluster_->StartAll();
    ASSERT_TRUE(cluster_->AwaitAllReady());
    ClientOptions options;
    options.endpoints = cluster_->Endpoints();
    auto client = Client::Connect(std::move(options));
    ASSERT_TRUE(client.ok()) << client.status();
    client_ = *std::move(client);
    for (size_t i = 0; i < kLogs; ++i) {
      const OpenLogOptions create{.call = {}, .create_if_missing = true, .settings = {}};
      auto log = client_->OpenLog(fmt::format("log-{}", i), create);
      ASSERT_TRUE(log.ok()) << log.status();
      logs_.push_back(*std::move(log));
    }
  }

  // The sum of a metric's samples on the node that begin with `name`; -1: no answer.
  [[nodiscard]] double Metric(size_t node, const std::string& name) const {
    std::string text;
    if (cluster_->Get(node, "/metrics", &text) != 200) return -1;
    std::istringstream lines(text);
    double sum = 0;
    for (std::string line; std::getline(lines, line);) {
      if (line.rfind(name, 0) != 0) continue;
      sum += std::stod(line.substr(line.rfind(' ')));
    }
    return sum;
  }
  // The catalog, too.
  [[nodiscard]] bool AwaitRest(const std::vector<size_t>& nodes) const {
    return Eventually([&] {
      return std::all_of(nodes.begin(), nodes.end(), [&](size_t node) {
        return Metric(node, "cairn_groups_hibernating ") == kLogs + 1;
      });
    });
  }
  [[nodiscard]] size_t SomeLeader() const {
    for (size_t node = 0; node < kNodes; ++node) {
      if (Metric(node, R"(cairn_groups{role="leader"})") > 0) return node;
    }
    return kNodes;
  }
  void AppendToAll() {
    for (Log& log : logs_) {
      ASSERT_TRUE(Eventually([&] { return log.Append("record").ok(); })) << log.name();
    }
  }

  testing::TempDir dir_;
  std::unique_ptr<ProcessCluster> cluster_;
  std::unique_ptr<Client> client_;
  std::vector<Log> logs_;
};

TEST_F(ManyLogsTest, LogsAtRestSendNothingAndKnowTheirLastCommit) {
  AppendToAll();
  ASSERT_TRUE(AwaitRest({0, 1, 2}));
  for (size_t node = 0; node < kNodes; ++node) {
    // Nothing reminds a follower of the last commit any more.
    EXPECT_EQ(Metric(node, "cairn_log_last_seq{"), kLogs) << "node " << node;
  }
  const auto frames = [&] { return Metric(0, "cairn_peer_requests_sent_total "); };
  const auto messages = [&] { return Metric(0, "cairn_peer_messages_sent_total "); };
  const double frames_before = frames();
  const double messages_before = messages();
  // Pulses go on: two a tick, one for each peer.
  ASSERT_TRUE(Eventually([&] { return frames() - frames_before >= 100; }));
  const double ticks = (frames() - frames_before) / 2;
  // Awake, each log costs each node a heartbeat or its answer at every tick.
  EXPECT_LT(messages() - messages_before, ticks * kLogs / 10);
}

TEST_F(ManyLogsTest, ALeaderThatDiesIsReplacedForAllThatSleep) {
  AppendToAll();
  ASSERT_TRUE(AwaitRest({0, 1, 2}));
  const size_t victim = SomeLeader();
  ASSERT_LT(victim, kNodes);
  cluster_->Kill(victim);
  AppendToAll();
  cluster_->Start(victim);
  ASSERT_TRUE(cluster_->AwaitAllReady());
  EXPECT_TRUE(AwaitRest({0, 1, 2}));
  EXPECT_GE(Metric(victim, "cairn_log_last_seq{"), 2 * kLogs);
}

TEST_F(ManyLogsTest, ALeaderThatHangsIsReplacedAndComesBack) {
  ASSERT_TRUE(AwaitRest({0, 1, 2}));
  const size_t victim = SomeLeader();
  ASSERT_LT(victim, kNodes);
  cluster_->Signal(victim, SIGSTOP);
  // Without a word from a client: the silence alone has the others elect.
  EXPECT_TRUE(Eventually([&] {
    double led = 0;
    for (size_t node = 0; node < kNodes; ++node) {
      if (node != victim) led += Metric(node, R"(cairn_groups{role="leader"})");
    }
    return led == kLogs + 1;
  }));
  AppendToAll();
  cluster_->Signal(victim, SIGCONT);
  EXPECT_TRUE(AwaitRest({0, 1, 2}));
}

TEST_F(ManyLogsTest, ALeaseEndsWhileItsLogSleepsAndEverybodyLearnsOfIt) {
  constexpr absl::Duration kTtl = absl::Seconds(2);
  ASSERT_TRUE(AwaitRest({0, 1, 2}));
  const absl::Time asked = absl::Now();
  ASSERT_TRUE(logs_[7].AcquireLease("primary", "holder", kTtl).ok());
  // The grant and the end, each a record.
  for (size_t node = 0; node < kNodes; ++node) {
    EXPECT_TRUE(Eventually([&] { return Metric(node, "cairn_log_last_seq{log=\"log-7\"") == 2; }));
  }
  EXPECT_GE(absl::Now() - asked, kTtl);
  EXPECT_TRUE(AwaitRest({0, 1, 2}));
}

}  // namespace
}  // namespace cairn::integration
