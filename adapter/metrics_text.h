// MetricsText: an agent's page for Prometheus; all names begin with "cairn_agent_".
//
// Threads: of one page.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "adapter/agent_status.h"
#include "adapter/delay_counts.h"

namespace cairn::adapter {

class MetricsPage {
 public:
  template <class Value>
  void Gauge(std::string_view name, std::string_view help, Value value) {
    Add(name, "gauge", help, value);
  }
  void Counter(std::string_view name, std::string_view help, uint64_t value) {
    Add(name, "counter", help, value);
  }
  void Histogram(std::string_view name, std::string_view help, const DelayCounts& delays);
  // What the agents of all engines tell.
  void Agent(const AgentStatus& agent);
  // Help and type of a metric whose samples follow.
  void Head(std::string_view name, std::string_view type, std::string_view help);
  // "name{labels} value", with the prefix.
  void Append(std::string_view text) { text_ += text; }

  std::string Take() { return std::move(text_); }

 private:
  void Role(RoleState role);
  template <class Value>
  void Add(std::string_view name, std::string_view type, std::string_view help, Value value) {
    Head(name, type, help);
    text_ += fmt::format("cairn_agent_{} {}\n", name, value);
  }

  std::string text_;
};

// As Prometheus counts time.
double MetricSeconds(int64_t us);

}  // namespace cairn::adapter
