#include "adapter/memcache/invalidator_status.h"

#include <fmt/format.h>

#include "adapter/metrics_text.h"

namespace cairn::adapter::memcache {
namespace {

template <class Value>
void EachLane(const InvalidatorStatus& status, const char* name, const char* type, const char* help,
              Value value, MetricsPage* page) {
  page->Head(name, type, help);
  for (const LaneStatus& lane : status.lanes) {
    page->Append(fmt::format("cairn_agent_{}{{log=\"{}\",target=\"{}\"}} {}\n", name, lane.log,
                             lane.target, value(lane)));
  }
}

template <class Value>
void EachTarget(const InvalidatorStatus& status, const char* name, const char* type,
                const char* help, Value value, MetricsPage* page) {
  page->Head(name, type, help);
  for (const TargetStatus& target : status.targets) {
    page->Append(
        fmt::format("cairn_agent_{}{{target=\"{}\"}} {}\n", name, target.target, value(target)));
  }
}

void AddLanes(const InvalidatorStatus& status, MetricsPage* page) {
  EachLane(
      status, "invalidation_lag_records", "gauge", "Records that the target was not told of.",
      [](const LaneStatus& lane) { return lane.lag_records; }, page);
  EachLane(
      status, "invalidation_lag_seconds", "gauge",
      "Age of the oldest change that the target was not told of.",
      [](const LaneStatus& lane) { return MetricSeconds(lane.lag_us); }, page);
  EachLane(
      status, "invalidation_backlog_keys", "gauge", "Keys that wait for the target.",
      [](const LaneStatus& lane) { return lane.backlog_keys; }, page);
  EachLane(
      status, "invalidation_backlog_bytes", "gauge", "Memory that they take.",
      [](const LaneStatus& lane) { return lane.backlog_bytes; }, page);
  EachLane(
      status, "invalidation_told_total", "counter", "Keys that the target has deleted.",
      [](const LaneStatus& lane) { return lane.told; }, page);
  EachLane(
      status, "invalidation_lost_total", "counter",
      "Keys that the target was not told of, and will not be.",
      [](const LaneStatus& lane) { return lane.lost; }, page);
  EachLane(
      status, "invalidation_gaps_total", "counter", "Gaps, since the target has a position.",
      [](const LaneStatus& lane) { return lane.gaps; }, page);
}

}  // namespace

std::string InvalidatorStatus::NotReady() const {
  if (!began) return "it has not begun";
  std::string why;
  for (const std::string& log : unread) why += fmt::format("the log {} cannot be read; ", log);
  for (const TargetStatus& target : targets) {
    if (!target.up) why += fmt::format("target {}: {}; ", target.target, target.trouble);
  }
  if (!why.empty()) why.resize(why.size() - 2);
  return why;
}

std::string InvalidatorStatus::Metrics() const {
  MetricsPage page;
  page.Gauge("ready", "1 while all logs are read and all targets answer.",
             NotReady().empty() ? 1 : 0);
  EachTarget(
      *this, "invalidation_target_up", "gauge", "1 while the target answers.",
      [](const TargetStatus& target) { return target.up ? 1 : 0; }, &page);
  EachTarget(
      *this, "invalidation_batches_total", "counter", "Batches that the target confirmed.",
      [](const TargetStatus& target) { return target.batches; }, &page);
  EachTarget(
      *this, "invalidation_failures_total", "counter",
      "Connections to the target that failed or broke.",
      [](const TargetStatus& target) { return target.failures; }, &page);
  EachTarget(
      *this, "invalidation_refused_total", "counter", "Keys that the target will never take.",
      [](const TargetStatus& target) { return target.refused; }, &page);
  AddLanes(*this, &page);
  return page.Take();
}

}  // namespace cairn::adapter::memcache
