// What harms a cluster shows in the right place: in the stage's metric, in the lag of the right
// peer, and in the slow-append log under the caller's request id.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <charconv>
#include <memory>
#include <string>

#include "cairn/log.h"
#include "cairn/request_id.h"
#include "tests/fault/lab.h"
#include "tests/integration/process.h"
#include "tests/support/temp_dir.h"

namespace cairn::fault {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

// Of every sync on the stalled disk.
constexpr int64_t kStallUs = 700'000;

class StagesTest : public ::testing::Test {
 protected:
  StagesTest() {
    LabOptions options;
    options.bin_dir = CAIRN_BIN_DIR;
    options.dir = dir_.File("lab");
    options.flags = {"--slow-append-ms", "300"};
    lab_ = std::make_unique<Lab>(std::move(options), nullptr, &interrupt_);
    const absl::Status started = lab_->Start();
    EXPECT_TRUE(started.ok()) << started;
    const auto made = lab_->client().admin().CreateLog(kLoadLog);
    EXPECT_TRUE(made.ok()) << made.status();
    const auto leader = lab_->Leader();
    EXPECT_TRUE(leader.ok()) << leader.status();
    leader_ = leader.value_or(0);
    EXPECT_TRUE(Append(absl::Seconds(20)).ok());  // Leader, route and connections are there.
    EXPECT_TRUE(integration::Eventually([&] { return Count("sync") == 1; }));
  }

  absl::Status Append(absl::Duration timeout) {
    auto log = lab_->client().OpenLog(kLoadLog);
    if (!log.ok()) return log.status();
    AppendOptions options;
    options.call.timeout = timeout;
    return log->Append("payload", options).status();
  }

  // A sample of the leader's page; 0 when it is not there.
  double Sample(const std::string& name) const {
    std::string page;
    lab_->cluster().Get(leader_, "/metrics", &page);
    const size_t found = page.find("\n" + name + " ");
    if (found == std::string::npos) return 0;
    double value = 0;
    const size_t begin = found + name.size() + 2;
    std::from_chars(page.data() + begin, page.data() + page.find('\n', begin), value);
    return value;
  }
  double Count(const std::string& stage) const {
    return Sample("cairn_append_stage_seconds_count{stage=\"" + stage + "\"}");
  }
  double Sum(const std::string& stage) const {
    return Sample("cairn_append_stage_seconds_sum{stage=\"" + stage + "\"}");
  }

  cairn::testing::TempDir dir_;
  cli::Interrupt interrupt_;
  std::unique_ptr<Lab> lab_;
  size_t leader_ = 0;
};

TEST_F(StagesTest, AStalledDiskShowsInSync) {
  const double before = Sum("sync");
  const double replicated = Sum("replicate");
  lab_->shim(leader_)->sync_delay_us = kStallUs;
  // The second one gathers while the first one's sync is under way.
  EXPECT_TRUE(Append(absl::Seconds(20)).ok());
  EXPECT_TRUE(Append(absl::Seconds(20)).ok());
  EXPECT_TRUE(integration::Eventually([&] { return Count("sync") == 3; }));
  lab_->shim(leader_)->sync_delay_us = 0;
  const double synced = Sum("sync") - before;
  EXPECT_GE(synced, 2 * kStallUs / 1e6);
  EXPECT_LT(Sum("replicate") - replicated, synced);
  EXPECT_GE(Sum("gather"), 0.3);  // What made the second one slow.
  EXPECT_THAT(lab_->LineWith(leader_, 0, "slow append: log=load"),
              AnyOf(HasSubstr("waited=\"gather\""), HasSubstr("waited=\"sync\"")));
}

TEST_F(StagesTest, StoppedFollowersShowInReplicateAndLag) {
  const size_t first = (leader_ + 1) % lab_->size();
  const size_t second = (leader_ + 2) % lab_->size();
  lab_->cluster().Signal(first, SIGSTOP);
  EXPECT_TRUE(Append(absl::Seconds(20)).ok());
  const std::string lag = "cairn_replica_lag_entries{peer=\"" + Lab::Name(first) + "\"}";
  EXPECT_TRUE(integration::Eventually([&] { return Sample(lag) >= 1; }));
  EXPECT_EQ(Sample("cairn_replica_lag_entries{peer=\"" + Lab::Name(second) + "\"}"), 0);

  lab_->cluster().Signal(second, SIGSTOP);
  const absl::Status refused = Append(absl::Seconds(2));
  EXPECT_FALSE(refused.ok());
  const std::string id = GetRequestId(refused);
  ASSERT_FALSE(id.empty()) << refused;
  const auto line = [&] { return lab_->LineWith(leader_, 0, "request=" + id); };
  EXPECT_TRUE(integration::Eventually([&] { return !line().empty(); }));
  EXPECT_THAT(line(), HasSubstr("waited=\"replicate\""));
  EXPECT_THAT(line(), HasSubstr("outcome=OUTCOME_UNKNOWN"));
  for (const size_t node : {first, second}) lab_->cluster().Signal(node, SIGCONT);
}

}  // namespace
}  // namespace cairn::fault
