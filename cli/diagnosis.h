// Diagnosis: findings about a cluster, judged from what its nodes say. Pure, so that
// tests can feed it sick clusters.
#pragma once

#include <string>
#include <vector>

#include "cairn/types.h"
#include "cli/view.h"

namespace cairn::cli {

struct Finding {
  std::string result;  // "ok", "warning", "failure".
  std::string check;   // What was looked at.
  std::string subject;
  std::string detail;
  std::string mend;  // What to do; empty when nothing is wrong.
  template <class F>
  void Fields(F&& field) const {
    field("result", result);
    field("check", check);
    field("subject", subject);
    field("detail", detail);
    field("mend", mend);
  }
};

struct DoctorView {
  uint64_t failures = 0;
  uint64_t warnings = 0;
  std::vector<Finding> checks;
  template <class F>
  void Fields(F&& field) const {
    field("failures", failures);
    field("warnings", warnings);
    field("checks", checks);
  }
};

// One member and its answer.
struct NodeVisit {
  std::string address;
  std::string error;  // Why it did not answer; empty if it did.
  double round_trip_ms = 0;
  NodeStatus status;
};

DoctorView Diagnose(const std::vector<NodeVisit>& visits);

}  // namespace cairn::cli
