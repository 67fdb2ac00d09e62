#include "adapter/redis/agent_metrics.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

#include "base/clock.h"

namespace cairn::adapter::redis {
namespace {

constexpr std::array kStates = {RoleState::kFollower, RoleState::kCampaigning, RoleState::kTaking,
                                RoleState::kPrimary,  RoleState::kLeaving,     RoleState::kFenced,
                                RoleState::kStopped};

double Seconds(int64_t us) { return static_cast<double>(us) / kMicrosPerSecond; }

class Text {
 public:
  template <class Value>
  void Gauge(std::string_view name, std::string_view help, Value value) {
    Add(name, "gauge", help, value);
  }
  void Counter(std::string_view name, std::string_view help, uint64_t value) {
    Add(name, "counter", help, value);
  }

  void Role(RoleState role) {
    Head("role", "gauge", "1 for the state that the agent is in.");
    for (const RoleState state : kStates) {
      text_ +=
          fmt::format("cairn_agent_role{{role=\"{}\"}} {}\n", Name(state), state == role ? 1 : 0);
    }
  }

  void Held(const HoldTimes& held) {
    Head("hold_seconds", "histogram", "How long replies waited for their commit.");
    uint64_t count = 0;
    for (size_t i = 0; i < HoldTimes::kBoundsUs.size(); ++i) {
      count += held.counts[i];
      text_ += fmt::format("cairn_agent_hold_seconds_bucket{{le=\"{}\"}} {}\n",
                           Seconds(HoldTimes::kBoundsUs[i]), count);
    }
    count += held.counts.back();
    text_ += fmt::format(
        "cairn_agent_hold_seconds_bucket{{le=\"+Inf\"}} {}\ncairn_agent_hold_seconds_sum {}\n"
        "cairn_agent_hold_seconds_count {}\n",
        count, Seconds(static_cast<int64_t>(held.sum_us)), count);
  }

  std::string Take() { return std::move(text_); }

 private:
  void Head(std::string_view name, std::string_view type, std::string_view help) {
    text_ +=
        fmt::format("# HELP cairn_agent_{} {}\n# TYPE cairn_agent_{} {}\n", name, help, name, type);
  }
  template <class Value>
  void Add(std::string_view name, std::string_view type, std::string_view help, Value value) {
    Head(name, type, help);
    text_ += fmt::format("cairn_agent_{} {}\n", name, value);
  }

  std::string text_;
};

void AddAgent(const RedisStatus& agent, Text* text) {
  text->Role(agent.role);
  text->Gauge("epoch", "Epoch of this agent's lease; 0: it has none.", agent.epoch.value());
  text->Gauge("ready", "1 while clients are served.", agent.NotReady().empty() ? 1 : 0);
  text->Gauge("log_reachable", "1 while the log answers.", agent.log_reachable ? 1 : 0);
  text->Gauge("lease_margin_seconds", "So long a primary may answer without another renewal.",
              Seconds(agent.lease_margin_us));
  text->Gauge("publisher_in_flight_bytes", "Effects that are not committed.",
              agent.in_flight_bytes);
  text->Gauge("feed_lag_records", "Committed records that the engine has not been given.",
              agent.records_behind);
  text->Counter("promotions_total", "The engine was made the primary.", agent.promotions);
  text->Counter("handovers_total", "The lease was handed to another agent, or tried to be.",
                agent.hand_overs);
  text->Counter("resyncs_total", "The engine was told to begin anew from the log.", agent.resyncs);
  text->Counter("publisher_failures_total", "The publisher lost the engine or the log.",
                agent.publisher_failures);
  text->Counter("engine_downs_total", "The engine ended, or did not answer.", agent.engine_downs);
}

void AddEngine(const RedisStatus& agent, Text* text) {
  text->Gauge("engine_up", "1 while the engine answers.", agent.engine_ready ? 1 : 0);
  text->Gauge("engine_memory_bytes", "used_memory of the engine.", agent.engine.memory_bytes);
  text->Counter("engine_evicted_keys_total", "evicted_keys of the engine.",
                agent.engine.evicted_keys);
  text->Counter("engine_keyspace_hits_total", "keyspace_hits of the engine.", agent.engine.hits);
  text->Counter("engine_keyspace_misses_total", "keyspace_misses of the engine.",
                agent.engine.misses);
}

void AddFront(const FrontStats& front, Text* text) {
  text->Gauge("clients", "Clients that are connected.", front.clients);
  text->Gauge("backend_connections", "Connections of clients' commands to the engine.",
              front.backends);
  text->Counter("requests_total", "Commands of clients.", front.requests);
  text->Counter("writes_refused_total", "Writes refused before they reached the engine.",
                front.writes_refused);
  text->Counter("clients_cut_total", "Clients cut because a reply could not be given.",
                front.clients_cut);
  text->Gauge("held_replies", "Replies that wait for their commit.", front.held_replies);
  text->Gauge("held_bytes", "Their bytes.", front.held_bytes);
  text->Gauge("durability_lag_bytes", "What of the engine's effects is not committed.",
              front.lag_bytes);
  text->Gauge("durability_lag_seconds", "Age of the oldest of it.", Seconds(front.lag_us));
  text->Held(front.held);
}

}  // namespace

std::string MetricsText(const RedisStatus& agent, const FrontStats& front) {
  Text text;
  AddAgent(agent, &text);
  AddEngine(agent, &text);
  AddFront(front, &text);
  return text.Take();
}

}  // namespace cairn::adapter::redis
