// The doctor's findings about sick clusters: each case harms a healthy one in one way.
#include "cli/diagnosis.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace cairn::cli {
namespace {

std::vector<NodeVisit> HealthyCluster() {
  std::vector<NodeVisit> visits;
  for (int i = 1; i <= 3; ++i) {
    NodeVisit visit;
    visit.address = "h" + std::to_string(i) + ":1";
    visit.round_trip_ms = 1;
    visit.clock_ahead_ms = i;
    visit.name = "n" + std::to_string(i);
    visit.status.node_name = "n" + std::to_string(i);
    visit.status.cluster_id = "c";
    visit.status.version = "1";
    visit.status.state = "ready";
    visit.status.disk_free_bytes = uint64_t{100} << 30;
    GroupStatus group;
    group.log_id = LogId{9};
    group.log = "orders";
    group.role = i == 1 ? "leader" : "follower";
    visit.status.groups = {group};
    visits.push_back(visit);
  }
  return visits;
}

TEST(DiagnosisTest, AHealthyClusterHasNoFindings) {
  const DoctorView view = Diagnose(HealthyCluster());
  EXPECT_EQ(view.failures, 0u);
  EXPECT_EQ(view.warnings, 0u);
  EXPECT_TRUE(std::all_of(view.checks.begin(), view.checks.end(),
                          [](const Finding& f) { return f.result == "ok" && f.mend.empty(); }));
}

TEST(DiagnosisTest, EachHarmIsFoundAndMended) {
  using Visits = std::vector<NodeVisit>;
  struct Case {
    const char* name;
    void (*harm)(Visits&);
    const char* result;
    const char* check;
    const char* subject;
  };
  const Case cases[] = {
      {"a silent node", [](Visits& v) { v[2].error = "refused"; }, "failure", "reachable", "h3:1"},
      {"no majority", [](Visits& v) { v[1].error = v[2].error = "refused"; }, "failure", "quorum",
       "cluster"},
      {"a slow node", [](Visits& v) { v[1].round_trip_ms = 900; }, "warning", "reachable", "h2:1"},
      {"a forming node", [](Visits& v) { v[1].status.state = "forming"; }, "failure", "state",
       "n2"},
      {"a clock that is off", [](Visits& v) { v[1].clock_ahead_ms = -3000; }, "warning", "clock",
       "n2"},
      {"our own clock",
       [](Visits& v) {
         for (NodeVisit& visit : v) visit.clock_ahead_ms = 3000;
       },
       "warning", "clock", "this machine"},
      {"a node where another should be", [](Visits& v) { v[1].status.node_name = "n3"; }, "failure",
       "address", "h2:1"},
      {"a full node", [](Visits& v) { v[1].status.state = "storage_full"; }, "failure", "state",
       "n2"},
      {"a draining node", [](Visits& v) { v[1].status.state = "draining"; }, "warning", "state",
       "n2"},
      {"a disk that fills up", [](Visits& v) { v[0].status.disk_free_bytes = 1 << 30; }, "warning",
       "disk", "n1"},
      {"two clusters", [](Visits& v) { v[0].status.cluster_id = "d"; }, "failure", "cluster id",
       "cluster"},
      {"two versions", [](Visits& v) { v[0].status.version = "2"; }, "warning", "version",
       "cluster"},
      {"no leader", [](Visits& v) { v[0].status.groups[0].role = "candidate"; }, "failure",
       "leader", "orders"},
      {"a halted replica", [](Visits& v) { v[1].status.groups[0].role = "halted"; }, "failure",
       "replicas", "orders"},
      {"a suspect", [](Visits& v) { v[0].status.groups[0].suspect = true; }, "failure", "suspect",
       "orders"},
      {"a replica that is being made whole",
       [](Visits& v) { v[1].status.groups[0].standing = "lost"; }, "warning", "replicas", "orders"},
      {"a replica far behind", [](Visits& v) { v[0].status.groups[0].lag_entries = 1'000'000; },
       "warning", "replicas", "orders"},
      {"a certificate that has ended",
       [](Visits& v) {
         v[1].with_tls = true;
         v[1].certificate = {.dates = {.begun = true, .days_left = -3, .ended = true}};
       },
       "failure", "certificate", "h2:1"},
      {"a certificate of the future",
       [](Visits& v) {
         v[1].with_tls = true;
         v[1].certificate = {.dates = {.begun = false, .days_left = 90}};
       },
       "failure", "certificate", "h2:1"},
      {"a certificate that ends soon",
       [](Visits& v) {
         v[1].with_tls = true;
         v[1].certificate = {.dates = {.begun = true, .days_left = 3}};
       },
       "warning", "certificate", "h2:1"},
      {"a certificate of somebody else",
       [](Visits& v) {
         v[1].with_tls = true;
         v[1].certificate = {.dates = {.begun = true, .days_left = 90}, .distrust = "mismatch"};
       },
       "failure", "certificate", "h2:1"},
      {"a node in clear",
       [](Visits& v) {
         v[1].with_tls = true;
         v[1].certificate = {.no_tls = "wrong version"};
       },
       "failure", "certificate", "h2:1"},
      {"a node with TLS",
       [](Visits& v) {
         v[1].error = "closed";
         v[1].certificate = {.dates = {.begun = true, .days_left = 90}};
       },
       "failure", "certificate", "h2:1"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    Visits visits = HealthyCluster();
    c.harm(visits);
    const DoctorView view = Diagnose(visits);
    const bool found =
        std::any_of(view.checks.begin(), view.checks.end(), [&c](const Finding& finding) {
          return finding.result == c.result && finding.check == c.check &&
                 finding.subject == c.subject && !finding.mend.empty();
        });
    EXPECT_TRUE(found) << ToText(view, false);
    EXPECT_GT(std::string(c.result) == "failure" ? view.failures : view.warnings, 0u);
  }
}

}  // namespace
}  // namespace cairn::cli
