#include "adapter/redis/agent_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "adapter/redis/front/front_counters.h"

namespace cairn::adapter::redis {
namespace {

using ::testing::HasSubstr;

TEST(AgentMetricsTest, TellsWhatTheAgentKnows) {
  RedisStatus agent;
  agent.role = RoleState::kPrimary;
  agent.epoch = Epoch(7);
  agent.front = FrontMode::kPrimary;
  agent.log_reachable = true;
  agent.lease_margin_us = 1'500'000;
  agent.in_flight_bytes = 99;
  agent.engine.hits = 12;
  FrontStats front;
  front.requests = 1'000;
  front.lag_us = 2'000;
  const std::string text = MetricsText(agent, front);
  for (const char* line :
       {"\ncairn_agent_role{role=\"primary\"} 1\n", "\ncairn_agent_role{role=\"follower\"} 0\n",
        "\ncairn_agent_epoch 7\n", "\ncairn_agent_ready 1\n",
        "\ncairn_agent_lease_margin_seconds 1.5\n", "\ncairn_agent_publisher_in_flight_bytes 99\n",
        "\ncairn_agent_engine_keyspace_hits_total 12\n", "\ncairn_agent_requests_total 1000\n",
        "\ncairn_agent_durability_lag_seconds 0.002\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

// As scrapers read it: each sample behind the head of its family, each name once.
TEST(AgentMetricsTest, EverySampleHasAType) {
  std::istringstream lines(MetricsText({}, {}));
  std::string line;
  std::string family;
  while (std::getline(lines, line)) {
    if (line.starts_with("# HELP ")) {
      family = line.substr(7, line.find(' ', 7) - 7);
    } else if (line.starts_with("# TYPE ")) {
      EXPECT_THAT(line, HasSubstr(family));
    } else {
      EXPECT_TRUE(line.starts_with(family)) << line;
    }
  }
}

TEST(AgentMetricsTest, HoldTimesAddUp) {
  FrontCounters counters;
  counters.CountHeld(250, 2);
  counters.CountHeld(251, 3);
  counters.CountHeld(60'000'000, 1);
  FrontStats front;
  counters.AddTo(&front);
  counters.AddTo(&front);  // Another thread with the same.
  const std::string text = MetricsText({}, front);
  for (const char* line :
       {"_bucket{le=\"0.00025\"} 4\n", "_bucket{le=\"0.0005\"} 10\n", "_bucket{le=\"10\"} 10\n",
        "_bucket{le=\"+Inf\"} 12\n", "cairn_agent_hold_seconds_count 12\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST(AgentStatusTest, IsReadyWhenClientsAreServed) {
  RedisStatus status;
  EXPECT_EQ(status.NotReady(), "the engine does not answer");
  status.engine_ready = true;
  status.role = RoleState::kCampaigning;
  EXPECT_EQ(status.NotReady(), "campaigning: clients are not served");
  status.front = FrontMode::kReplica;
  EXPECT_EQ(status.NotReady(), "") << "reads are";
  status.engine_too_old = true;
  EXPECT_THAT(status.NotReady(), HasSubstr("newer engine"));
  status.front = FrontMode::kPrimary;
  EXPECT_THAT(status.NotReady(), HasSubstr("no write"));
  status.log_reachable = true;
  EXPECT_EQ(status.NotReady(), "");
}

}  // namespace
}  // namespace cairn::adapter::redis
