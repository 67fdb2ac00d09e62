// Which replicas count when it is asked whether a node may stop.
#include "server/rpc/stop_survey.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/server/catalog_ops.h"

namespace cairn::rpc {
namespace {

// Three nodes, one log on all of them; node 1 is to stop.
class StopSurveyTest : public ::testing::Test {
 protected:
  StopSurveyTest() {
    catalog_.Commit(server::FormedOf(3));
    catalog_.Commit(server::Created("orders"));
    log_id_ = catalog_.logs().begin()->first;
    for (uint64_t id = 2; id <= 3; ++id) {
      v1::StatusResponse& answer = answers_.emplace_back();
      answer.set_node_id(id);
      answer.set_state("ready");
      for (const GroupId group : {kCatalogGroup, log_id_}) {
        v1::GroupStatus& status = *answer.add_groups();
        status.set_log_id(group.value());
        status.set_role("follower");
        status.set_standing("sound");
      }
    }
  }
  v1::GroupStatus& LogOfNode3() { return *answers_[1].mutable_groups(1); }
  // Logs that would lose their quorum.
  std::vector<std::string> Lost() {
    v1::CanIStopResponse response;
    JudgeStop(catalog_, {NodeId(1), NodeId(2), NodeId(3)}, NodeId(1), answers_, response);
    std::vector<std::string> lost(response.logs().begin(), response.logs().end());
    EXPECT_EQ(response.can_stop(), lost.empty());
    return lost;
  }

  const std::vector<std::string> kNone;
  server::TestCatalog catalog_;
  GroupId log_id_;
  std::vector<v1::StatusResponse> answers_;
};

TEST_F(StopSurveyTest, TwoOfThreeAreAQuorum) { EXPECT_EQ(Lost(), kNone); }

TEST_F(StopSurveyTest, AHaltedReplicaDoesNotCount) {
  LogOfNode3().set_role("halted");
  EXPECT_EQ(Lost(), std::vector<std::string>{"orders"});
}

// It is being filled: until then it neither votes nor counts for a commit.
TEST_F(StopSurveyTest, AReplicaThatLostWhatItHadDoesNotCount) {
  LogOfNode3().set_standing("lost");
  EXPECT_EQ(Lost(), std::vector<std::string>{"orders"});
  LogOfNode3().set_standing("ambiguous");
  EXPECT_EQ(Lost(), std::vector<std::string>{"orders"});
}

TEST_F(StopSurveyTest, NodesOfBeforeThereWereStandingsCount) {
  LogOfNode3().clear_standing();
  EXPECT_EQ(Lost(), kNone);
}

TEST_F(StopSurveyTest, WhoDrainsDoesNotCountNorDoesWhoIsSilent) {
  answers_[1].set_state("draining");
  EXPECT_EQ(Lost(), (std::vector<std::string>{"catalog", "orders"}));
  answers_.pop_back();
  EXPECT_EQ(Lost(), (std::vector<std::string>{"catalog", "orders"}));
}

}  // namespace
}  // namespace cairn::rpc
