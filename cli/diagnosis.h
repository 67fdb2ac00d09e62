// Diagnosis: findings about a cluster, judged from what its nodes say. Pure, so that
// tests can feed it sick clusters.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cairn/types.h"
#include "cli/certificate.h"
#include "cli/findings.h"

namespace cairn::cli {

// One member and its answer.
struct NodeVisit {
  std::string address;
  std::string name;   // Of the member who should be there; empty: not known.
  std::string error;  // Why it did not answer; empty if it did.
  double round_trip_ms = 0;
  // Its wall clock less ours, to within half a round trip; nothing: not told.
  std::optional<double> clock_ahead_ms;
  // Looked at if this client speaks TLS, or the node did not answer; nothing: nobody listens.
  std::optional<ShownCertificate> certificate;
  bool with_tls = false;  // Whether this client speaks TLS.
  NodeStatus status;
};

DoctorView Diagnose(const std::vector<NodeVisit>& visits);

}  // namespace cairn::cli
