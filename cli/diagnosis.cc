#include "cli/diagnosis.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace cairn::cli {
namespace {

constexpr uint64_t kLowDiskBytes = uint64_t{2} << 30;
constexpr double kSlowRoundTripMs = 100;
constexpr uint64_t kLaggingEntries = 10'000;
// Log times are only as good as the leader's clock, and certificates end by it.
constexpr double kClockOffMs = 500;

void CheckReachable(const NodeVisit& visit, Findings& findings) {
  if (!visit.error.empty()) {
    findings.Fail(
        "reachable", visit.address, visit.error,
        "start cairnd there, open the port between here and there, or correct the address; "
        "`cairn doctor --local` on that machine says which");
  } else if (visit.round_trip_ms > kSlowRoundTripMs) {
    findings.Warn("reachable", visit.address,
                  fmt::format("answered in {:.1f} ms", visit.round_trip_ms),
                  "look at the network and at the node's load");
  } else {
    findings.Ok("reachable", visit.address, fmt::format("{:.1f} ms", visit.round_trip_ms));
  }
}

void CheckAddress(const NodeVisit& visit, Findings& findings) {
  if (visit.name.empty() || visit.name == visit.status.node_name) return;
  findings.Fail(
      "address", visit.address,
      fmt::format("{} answers where {} should be", visit.status.node_name, visit.name),
      "correct the host or port of --listen, --advertise or --initial-cluster of the two");
}

// The middle one of the nodes' clocks; with one or two nodes ours.
double MajorityClockMs(const std::vector<NodeVisit>& visits) {
  std::vector<double> ahead;
  for (const NodeVisit& visit : visits) {
    if (visit.clock_ahead_ms) ahead.push_back(*visit.clock_ahead_ms);
  }
  if (ahead.size() < 3) return 0;
  std::sort(ahead.begin(), ahead.end());
  return ahead[ahead.size() / 2];
}

void CheckClock(std::string subject, double off_ms, double doubt_ms, Findings& findings) {
  const std::string detail =
      fmt::format("{:.0f} ms {}", std::abs(off_ms), off_ms < 0 ? "behind" : "ahead");
  if (std::abs(off_ms) - doubt_ms > kClockOffMs) {
    findings.Warn("clock", std::move(subject), detail + " of the others",
                  "run chrony or another NTP client there, and look at its sources");
  } else {
    findings.Ok("clock", std::move(subject), detail);
  }
}

void CheckClocks(const std::vector<NodeVisit>& visits, Findings& findings) {
  const double majority_ms = MajorityClockMs(visits);
  double doubt_ms = 0;
  for (const NodeVisit& visit : visits) {
    if (!visit.clock_ahead_ms) continue;
    doubt_ms = std::max(doubt_ms, visit.round_trip_ms);
    CheckClock(visit.status.node_name, *visit.clock_ahead_ms - majority_ms, visit.round_trip_ms,
               findings);
  }
  CheckClock("this machine", 0 - majority_ms, doubt_ms, findings);
}

void CheckState(const NodeVisit& visit, Findings& findings) {
  const NodeStatus& status = visit.status;
  if (status.state == "ready") {
    findings.Ok("state", status.node_name, "ready");
  } else if (status.state == "forming") {
    findings.Fail("state", status.node_name, "forming: " + status.detail,
                  "start the members that it waits for");
  } else if (status.state == "storage_full") {
    findings.Fail("state", status.node_name, "refuses appends, the disk is full",
                  "free space; appends resume by themselves");
  } else {
    findings.Warn("state", status.node_name, status.state,
                  "wait until it has stopped, then start it again");
  }
}

void CheckDisk(const NodeVisit& visit, Findings& findings) {
  const uint64_t free_bytes = visit.status.disk_free_bytes;
  const std::string detail = FormatByteCount(free_bytes) + " free";
  if (free_bytes < kLowDiskBytes) {
    findings.Warn("disk", visit.status.node_name, detail,
                  "trim logs, set --retention-bytes, or grow the disk before it fills up");
  } else {
    findings.Ok("disk", visit.status.node_name, detail);
  }
}

std::string Join(const std::set<std::string>& values) {
  std::string text;
  for (const std::string& value : values) text += (text.empty() ? "" : ", ") + value;
  return text;
}

// All nodes that answer must agree on `what`.
void CheckSame(const std::vector<NodeVisit>& visits, const std::string& what,
               std::string NodeStatus::*member, bool required, const std::string& mend,
               Findings& findings) {
  std::set<std::string> values;
  for (const NodeVisit& visit : visits) {
    if (visit.error.empty()) values.insert(visit.status.*member);
  }
  if (values.size() <= 1) {
    findings.Ok(what, "cluster", Join(values));
  } else if (required) {
    findings.Fail(what, "cluster", "differs: " + Join(values), mend);
  } else {
    findings.Warn(what, "cluster", "differs: " + Join(values), mend);
  }
}

struct GroupHealth {
  std::string log;
  bool has_leader = false;
  bool halted = false;
  std::set<std::string> suspects;  // Nodes.
  std::set<std::string> doubtful;
  uint64_t lag_entries = 0;
};

std::map<LogId, GroupHealth> GroupsOf(const std::vector<NodeVisit>& visits) {
  std::map<LogId, GroupHealth> groups;
  for (const NodeVisit& visit : visits) {
    for (const GroupStatus& group : visit.status.groups) {
      GroupHealth& health = groups[group.log_id];
      health.log = group.log_id == kCatalogGroup ? "(catalog)" : group.log;
      health.has_leader = health.has_leader || group.role == "leader";
      health.halted = health.halted || group.role == "halted";
      if (group.suspect) health.suspects.insert(visit.status.node_name);
      if (!group.standing.empty() && group.standing != "sound") {
        health.doubtful.insert(visit.status.node_name);
      }
      if (group.role == "leader") health.lag_entries = group.lag_entries;
    }
  }
  return groups;
}

void CheckGroups(const std::vector<NodeVisit>& visits, Findings& findings) {
  uint64_t healthy = 0;
  for (const auto& [log_id, health] : GroupsOf(visits)) {
    if (!health.has_leader) {
      findings.Fail("leader", health.log, "no leader: appends wait",
                    "start enough of its replicas for a majority");
    } else if (health.halted) {
      findings.Fail("replicas", health.log, "a replica halted: its data contradicts itself",
                    "keep that node's directory for its developers, and compare the replicas with "
                    "`cairn segment verify`; the others go on");
    } else if (!health.suspects.empty()) {
      findings.Fail("suspect", health.log,
                    fmt::format("a majority refused what {} proposed; it no longer leads this log",
                                Join(health.suspects)),
                    "test that node's memory, then restart it");
    } else if (!health.doubtful.empty()) {
      findings.Warn("replicas", health.log,
                    fmt::format("{} lost something that it had acknowledged, and is being made "
                                "whole",
                                Join(health.doubtful)),
                    "bring up all replicas of the log, and stop none until it is done");
    } else if (health.lag_entries > kLaggingEntries) {
      findings.Warn("replicas", health.log,
                    fmt::format("the slowest voter lacks {} entries", health.lag_entries),
                    "wait for it; if it does not shrink, look at that node's disk and network");
    } else {
      ++healthy;
    }
  }
  if (healthy > 0) findings.Ok("logs", "cluster", fmt::format("{} healthy", healthy));
}

void CheckQuorum(const std::vector<NodeVisit>& visits, Findings& findings) {
  const auto answering = static_cast<size_t>(std::count_if(
      visits.begin(), visits.end(), [](const NodeVisit& visit) { return visit.error.empty(); }));
  const std::string detail = fmt::format("{} of {} members answer", answering, visits.size());
  if (answering * 2 > visits.size()) {
    findings.Ok("quorum", "cluster", detail);
  } else {
    findings.Fail("quorum", "cluster", detail, "start more members: a majority is needed");
  }
}

}  // namespace

DoctorView Diagnose(const std::vector<NodeVisit>& visits) {
  Findings findings;
  for (const NodeVisit& visit : visits) {
    CheckReachable(visit, findings);
    if (visit.certificate) {
      JudgeShown(*visit.certificate, visit.with_tls, visit.address, findings);
    }
    if (!visit.error.empty()) continue;
    CheckAddress(visit, findings);
    CheckState(visit, findings);
    CheckDisk(visit, findings);
  }
  CheckClocks(visits, findings);
  CheckQuorum(visits, findings);
  CheckSame(visits, "cluster id", &NodeStatus::cluster_id, true,
            "the endpoints belong to different clusters: correct --endpoints", findings);
  CheckSame(visits, "version", &NodeStatus::version, false, "finish the upgrade", findings);
  CheckGroups(visits, findings);
  return findings.Take();
}

}  // namespace cairn::cli
