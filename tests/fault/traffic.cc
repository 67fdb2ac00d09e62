#include "tests/fault/traffic.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/status_macros.h"

namespace cairn::fault {
namespace {

constexpr int kProducers = 3;
constexpr int kRecordsPerSecond = 300;  // Of each.
constexpr size_t kRecordBytes = 150;
// A fault and the recovery from it may take that long.
constexpr absl::Duration kDeliveryTimeout = absl::Minutes(5);

}  // namespace

absl::StatusOr<std::unique_ptr<Traffic>> Traffic::Start(Lab& lab) {
  std::unique_ptr<Traffic> traffic(new Traffic());
  ASSIGN_OR_RETURN(traffic->load_,
                   integration::ExactlyOnceLoad::Start({.endpoints = lab.cluster().Endpoints(),
                                                        .log = kLoadLog,
                                                        .producers = kProducers,
                                                        .records_per_s = kRecordsPerSecond,
                                                        .record_bytes = kRecordBytes,
                                                        .delivery_timeout = kDeliveryTimeout}));
  return traffic;
}

void Traffic::Judge(Lab& lab, Verdict& verdict) { JudgeLoad(lab, verdict); }

void Traffic::JudgeLoad(Lab& lab, Verdict& verdict) {
  const absl::Status finished = load_->Finish();
  verdict.acknowledged = load_->acknowledged();
  if (!finished.ok()) {
    verdict.findings.push_back("the load: " + std::string(finished.message()));
    return;
  }
  for (size_t node = 0; node < lab.size(); ++node) {
    const auto found = load_->Compare(lab.cluster().Endpoint(node));
    if (!found.ok()) {
      verdict.findings.push_back(
          fmt::format("{}: {}", Lab::Name(node), std::string(found.status().message())));
      ++verdict.diverged;
      continue;
    }
    // Of all replicas the one that lacks most: a record has to be on each.
    verdict.lost = std::max(verdict.lost, found->missing);
    verdict.duplicated = std::max(verdict.duplicated, found->repeated);
    if (found->chain_differs || found->changed > 0) ++verdict.diverged;
    if (!found->first.empty()) {
      verdict.findings.push_back(fmt::format("{}: {}", Lab::Name(node), found->first));
    }
  }
}

}  // namespace cairn::fault
