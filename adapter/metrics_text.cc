#include "adapter/metrics_text.h"

#include <array>

#include "base/clock.h"

namespace cairn::adapter {
namespace {

constexpr std::array kStates = {RoleState::kFollower, RoleState::kCampaigning, RoleState::kTaking,
                                RoleState::kPrimary,  RoleState::kLeaving,     RoleState::kFenced,
                                RoleState::kStopped};

}  // namespace

double MetricSeconds(int64_t us) { return static_cast<double>(us) / kMicrosPerSecond; }

void MetricsPage::Head(std::string_view name, std::string_view type, std::string_view help) {
  text_ +=
      fmt::format("# HELP cairn_agent_{} {}\n# TYPE cairn_agent_{} {}\n", name, help, name, type);
}

void MetricsPage::Histogram(std::string_view name, std::string_view help,
                            const DelayCounts& delays) {
  Head(name, "histogram", help);
  uint64_t count = 0;
  for (size_t i = 0; i < DelayCounts::kBoundsUs.size(); ++i) {
    count += delays.counts[i];
    Append(fmt::format("cairn_agent_{}_bucket{{le=\"{}\"}} {}\n", name,
                       MetricSeconds(DelayCounts::kBoundsUs[i]), count));
  }
  count += delays.counts.back();
  Append(
      fmt::format("cairn_agent_{0}_bucket{{le=\"+Inf\"}} {1}\ncairn_agent_{0}_sum {2}\n"
                  "cairn_agent_{0}_count {1}\n",
                  name, count, MetricSeconds(static_cast<int64_t>(delays.sum_us))));
}

void MetricsPage::Role(RoleState role) {
  Head("role", "gauge", "1 for the state that the agent is in.");
  for (const RoleState state : kStates) {
    text_ +=
        fmt::format("cairn_agent_role{{role=\"{}\"}} {}\n", Name(state), state == role ? 1 : 0);
  }
}

void MetricsPage::Agent(const AgentStatus& agent) {
  Role(agent.role);
  Gauge("epoch", "Epoch of this agent's lease; 0: it has none.", agent.epoch.value());
  Gauge("ready", "1 while clients are served.", agent.NotReady().empty() ? 1 : 0);
  Gauge("log_reachable", "1 while the log answers.", agent.log_reachable ? 1 : 0);
  Gauge("known_agents", "Agents of this cache that were seen last, this one included.",
        agent.known_agents);
  Gauge("lease_margin_seconds", "So long a primary may answer without another renewal.",
        MetricSeconds(agent.lease_margin_us));
  Gauge("publisher_in_flight_bytes", "Effects that are not committed.", agent.in_flight_bytes);
  Histogram("publish_seconds", "From a record's way to the producer to its commit.",
            agent.published);
  Gauge("feed_lag_records", "Committed records that the engine has not been given.",
        agent.records_behind);
  Counter("promotions_total", "The engine was made the primary.", agent.promotions);
  Counter("handovers_total", "The lease was handed to another agent, or tried to be.",
          agent.hand_overs);
  Counter("resyncs_total", "The engine was told to begin anew from the log.", agent.resyncs);
  Counter("publisher_failures_total", "The publisher lost the engine or the log.",
          agent.publisher_failures);
  Counter("engine_downs_total", "The engine ended, or did not answer.", agent.engine_downs);
}

}  // namespace cairn::adapter
