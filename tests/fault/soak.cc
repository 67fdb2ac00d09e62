#include "tests/fault/soak.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::fault {
namespace {

// Three minutes' worth of the load are written in the first third of the shortest soak that is
// judged; retention has to set in before.
constexpr uint64_t kRetentionBytes = 24 << 20;
constexpr absl::Duration kEra = absl::Seconds(100);
constexpr int kEraRecordsPerSecond = 60;
constexpr const char* kEraLog = "era";
constexpr absl::Duration kRecovery = absl::Seconds(120);
// A recovery that takes longer is explained.
constexpr double kSlowRecoverySeconds = 5;
// Readers and followers catch up behind a fault before samples count again.
constexpr absl::Duration kSettle = absl::Seconds(3);

// Only here: the first node alone (soak.h).
absl::StatusOr<std::string> KillFirst(Lab& lab) {
  const std::string killed = lab.Kill(0);
  lab.Wait(absl::Milliseconds(lab.random().Between(0, 2500)));
  lab.cluster().Start(0);
  return killed;
}

absl::StatusOr<std::string> RestartFirst(Lab& lab) {
  RETURN_IF_ERROR(lab.Restart(0));
  return Lab::Name(0) + " drained, ended with 0 and came back";
}

constexpr Fault kOwnFaults[] = {
    {"kill-first", kNothing, KillFirst},
    {"restart-first", kNothing, RestartFirst},
};
// Of the drill; none of them ends a process.
constexpr std::string_view kDrillFaults[] = {"stop-leader",    "stop-follower",
                                             "isolate-leader", "partition-minority",
                                             "delay",          "transfer-leadership"};

std::vector<Fault> FaultsFor(bool has_network) {
  std::vector<Fault> faults(std::begin(kOwnFaults), std::end(kOwnFaults));
  for (const Fault& fault : AllFaults()) {
    const bool wanted = std::find(std::begin(kDrillFaults), std::end(kDrillFaults), fault.name) !=
                        std::end(kDrillFaults);
    if (wanted && (has_network || (fault.needs & kNetwork) == 0)) faults.push_back(fault);
  }
  return faults;
}

SoakOptions WithFlags(SoakOptions options) {
  // So that a cold read reads the disk, and a deleted log leaves it before the soak is over.
  options.lab.flags = {"--cache-bytes", "8388608", "--trash-keep-ms", "20000"};
  return options;
}

}  // namespace

Soak::Soak(SoakOptions options, const cli::Interrupt* interrupt)
    : options_(WithFlags(std::move(options))), interrupt_(interrupt) {
  report_.seed = options_.lab.seed;
  report_.nodes = options_.lab.nodes;
}

absl::StatusOr<SoakReport> Soak::Run() {
  RETURN_IF_ERROR(Start());
  const absl::Time begin = absl::Now();
  while (absl::Now() < begin + options_.time) {
    const absl::Status era = Era(std::min(absl::Now() + kEra, begin + options_.time));
    if (absl::IsCancelled(era)) return era;
    if (era.ok()) continue;
    // A cluster that does not come back is the finding.
    report_.safety.findings.emplace_back(era.message());
    break;
  }
  report_.seconds = sampler_->Seconds();
  report_.curves = sampler_->Finish();
  report_.churn = churn_->Finish();
  report_.retained = load_->Finish();
  return report_;
}

absl::Status Soak::Start() {
  std::unique_ptr<VirtualNet> net;
  if (options_.namespaces) {
    auto made = VirtualNet::Make(options_.lab.nodes, options_.lab.seed);
    if (made.ok()) net = std::move(*made);
  }
  faults_ = FaultsFor(net != nullptr);
  lab_ = std::make_unique<Lab>(options_.lab, std::move(net), interrupt_);
  RETURN_IF_ERROR(lab_->Start());
  const std::vector<std::string> endpoints = lab_->cluster().Endpoints();
  ASSIGN_OR_RETURN(load_, RetainedLoad::Start(endpoints, kLoadLog, kRetentionBytes));
  ASSIGN_OR_RETURN(churn_, LogChurn::Start(endpoints));
  sampler_ = std::make_unique<SoakSampler>(lab_.get(), load_.get());
  return absl::OkStatus();
}

absl::Status Soak::Era(absl::Time end) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Traffic> traffic,
                   Traffic::Start(*lab_, {.log = kEraLog,
                                          .records_per_s = kEraRecordsPerSecond,
                                          .seed = lab_->random().Next(),
                                          .others_write = true}));
  while (absl::Now() < end) {
    const absl::Duration calm = absl::Milliseconds(lab_->random().Between(12'000, 24'000));
    if (!lab_->Wait(std::min(calm, end - absl::Now()))) return absl::CancelledError("interrupted");
    if (absl::Now() < end) RETURN_IF_ERROR(Disturb());
  }
  return JudgeEra(*traffic);
}

absl::Status Soak::Disturb() {
  if (next_fault_ % faults_.size() == 0) {
    for (size_t i = faults_.size(); i > 1; --i) {
      std::swap(faults_[i - 1], faults_[lab_->random().Below(i)]);
    }
  }
  const Fault& fault = faults_[next_fault_++ % faults_.size()];
  SoakEvent event;
  event.name = fault.name;
  event.begin_s = sampler_->Seconds();
  sampler_->SetCalm(false);
  const absl::StatusOr<std::string> evidence = fault.run(*lab_);
  if (interrupt_->Requested()) return absl::CancelledError("interrupted");
  const double healed_s = sampler_->Seconds();
  std::string waited_for;
  const absl::Status recovered = lab_->AwaitWhole(kRecovery, &waited_for);
  event.end_s = sampler_->Seconds();
  event.failed = !evidence.ok();
  event.evidence = evidence.ok() ? *evidence : std::string(evidence.status().message());
  if (event.end_s - healed_s > kSlowRecoverySeconds) {
    event.evidence +=
        fmt::format("; recovered after {:.0f} s: {}", event.end_s - healed_s, waited_for);
  }
  fmt::print(stderr, "{:6.0f} s  {:20} {}\n", event.begin_s, event.name, event.evidence);
  report_.events.push_back(std::move(event));
  lab_->Wait(kSettle);
  sampler_->SetCalm(true);
  return recovered;
}

// The checks take the processor from the cluster, so samples taken meanwhile do not count.
absl::Status Soak::JudgeEra(Traffic& traffic) {
  sampler_->SetCalm(false);
  traffic.Judge(*lab_, report_.safety);
  ++report_.eras;
  const absl::Status deleted = DeleteEraLogs();
  lab_->Wait(kSettle);
  sampler_->SetCalm(true);
  return deleted;
}

absl::Status Soak::DeleteEraLogs() {
  for (const char* prefix : {kEraLog, kOwnedLog, kHistoryLogs}) {
    RETURN_IF_ERROR(DeleteLogs(lab_->client(), prefix));
  }
  return absl::OkStatus();
}

}  // namespace cairn::fault
