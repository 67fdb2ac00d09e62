#include "server/console/alerts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <set>
#include <utility>

namespace cairn::console {
namespace {

using Alerts = std::vector<Alert>;

// ---- Of nodes -------------------------------------------------------------------------------

void JudgeAnswer(const NodeView& node, Alerts& alerts) {
  const std::string& name = node.member.name();
  if (!node.answered) {
    alerts.push_back({Severity::kCritical,
                      "node_unreachable",
                      fmt::format("{} at {} does not answer", name, node.member.address()),
                      "See whether its process runs, and its port is reachable from this node.",
                      name,
                      {}});
    return;
  }
  const std::string& state = node.said.state();
  if (state == "forming") {
    alerts.push_back({Severity::kWarning,
                      "node_forming",
                      fmt::format("{} waits for its cluster: {}", name, node.said.detail()),
                      "Start the members that are missing, with the same --initial-cluster.",
                      name,
                      {}});
  } else if (state == "draining") {
    alerts.push_back({Severity::kNotice,
                      "node_draining",
                      fmt::format("{} hands its leaderships over and stops", name),
                      "Nothing to do, if you are stopping it.",
                      name,
                      {}});
  }
}

void JudgeDisk(const NodeView& node, Alerts& alerts) {
  const v1::StatusResponse& said = node.said;
  const std::string& name = node.member.name();
  const uint64_t watermark = said.counters().disk_watermark_bytes();
  const uint64_t low = watermark == 0 ? kLowDiskBytes : 2 * watermark;
  const double free_gib = static_cast<double>(said.disk_free_bytes()) / (1u << 30);
  if (said.state() == "storage_full") {
    alerts.push_back({Severity::kCritical,
                      "disk_full",
                      fmt::format("{} refuses appends: {:.1f} GiB are free", name, free_gib),
                      "Trim logs (cairn trim), shorten their retention, or give it more disk.",
                      name,
                      {}});
  } else if (said.disk_free_bytes() < low) {
    alerts.push_back({Severity::kWarning,
                      "disk_low",
                      fmt::format("{} has {:.1f} GiB of disk left", name, free_gib),
                      "Trim logs or give it more disk before appends are refused.",
                      name,
                      {}});
  }
  if (said.counters().storage_damaged()) {
    alerts.push_back({Severity::kCritical,
                      "storage_damaged",
                      fmt::format("{} found damage in its database", name),
                      "It rebuilds itself at its next start; restart it while all others are well.",
                      name,
                      {}});
  }
}

void JudgeClock(const NodeView& node, Alerts& alerts) {
  const int64_t deviation_us = node.said.counters().clock_deviation_us();
  if (std::abs(deviation_us) <= kClockDeviationUs) return;
  alerts.push_back(
      {Severity::kWarning,
       "clock_deviation",
       fmt::format("The clock of {} is {:.1f} s {} of the majority's", node.member.name(),
                   static_cast<double>(std::abs(deviation_us)) / 1e6,
                   deviation_us > 0 ? "ahead" : "behind"),
       "Mend its time service (chrony, systemd-timesyncd).",
       node.member.name(),
       {}});
}

void JudgeVersions(const ClusterView& view, Alerts& alerts) {
  std::set<std::string> versions;
  for (const NodeView& node : view.nodes) {
    if (node.answered) versions.insert(node.said.version());
  }
  if (versions.size() < 2) return;
  alerts.push_back({Severity::kNotice,
                    "mixed_versions",
                    fmt::format("Nodes run versions {}", fmt::join(versions, ", ")),
                    "Finish the upgrade.",
                    "",
                    {}});
}

// ---- Of logs ----------------------------------------------------------------------------------

struct LogRule {
  Severity severity;
  const char* kind;
  const char* one;   // Behind the log's name.
  const char* many;  // Behind the number of logs.
  const char* next;
  std::function<bool(const LogView&)> holds;
};

bool AnyReplica(const LogView& log, const std::function<bool(const ReplicaView&)>& is) {
  return std::any_of(log.replicas.begin(), log.replicas.end(), is);
}

const std::vector<LogRule>& LogRules() {
  static const auto* const kRules = new std::vector<LogRule>{
      {Severity::kCritical, "no_quorum", "has no quorum: nothing is appended",
       "logs have no quorum: nothing is appended to them",
       "Start enough of the nodes that are missing; nothing that was acknowledged is lost.",
       [](const LogView& log) { return !log.quorum; }},
      {Severity::kCritical, "halted", "is halted on a replica: what it holds contradicts itself",
       "logs are halted on a replica: what it holds contradicts itself",
       "Read that node's log and see docs/operations.md before you restart it.",
       [](const LogView& log) {
         return AnyReplica(log, [](const ReplicaView& r) { return r.role == "halted"; });
       }},
      {Severity::kWarning, "no_leader", "has no leader at the moment",
       "logs have no leader at the moment",
       "An election takes a second or two; if it stays so, look at the network between the nodes.",
       [](const LogView& log) { return log.quorum && log.leader_node_id == 0; }},
      {Severity::kWarning, "suspect", "has a replica whose entries a majority refused",
       "logs have a replica whose entries a majority refused",
       "Check that node's memory and disk, then restart it.",
       [](const LogView& log) {
         return AnyReplica(log, [](const ReplicaView& r) { return r.suspect; });
       }},
      {Severity::kWarning, "doubtful", "has a replica that lacks what it acknowledged",
       "logs have a replica that lacks what it acknowledged",
       "It is made whole by itself while all replicas are there; keep the others running.",
       [](const LogView& log) {
         return AnyReplica(
             log, [](const ReplicaView& r) { return !r.role.empty() && r.standing != "sound"; });
       }},
      {Severity::kWarning, "lagging", "has a replica far behind", "logs have a replica far behind",
       "It catches up by itself; if the lag grows, look at that node's disk and network.",
       [](const LogView& log) {
         return AnyReplica(log, [](const ReplicaView& r) { return r.lag_entries > kLagEntries; });
       }},
  };
  return *kRules;
}

void JudgeLogs(const ClusterView& view, const LogRule& rule, Alerts& alerts) {
  Alert alert{rule.severity, rule.kind, "", rule.next, "", {}};
  size_t count = 0;
  for (const LogView& log : view.logs) {
    if (!rule.holds(log)) continue;
    ++count;
    if (alert.logs.size() < kNamedLogs) alert.logs.push_back(log.name);
  }
  if (count == 0) return;
  alert.what = count == 1 ? fmt::format("{} {}", alert.logs.front(), rule.one)
                          : fmt::format("{} {}", count, rule.many);
  alerts.push_back(std::move(alert));
}

}  // namespace

std::vector<Alert> JudgeCluster(const ClusterView& view) {
  Alerts alerts;
  for (const NodeView& node : view.nodes) {
    JudgeAnswer(node, alerts);
    if (!node.answered) continue;
    JudgeDisk(node, alerts);
    JudgeClock(node, alerts);
  }
  const bool formed = !view.cluster_id.empty();
  if (formed) {
    for (const LogRule& rule : LogRules()) JudgeLogs(view, rule, alerts);
  }
  JudgeVersions(view, alerts);
  std::stable_sort(alerts.begin(), alerts.end(),
                   [](const Alert& a, const Alert& b) { return a.severity < b.severity; });
  return alerts;
}

}  // namespace cairn::console
