#include "tests/fault/drill.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "tests/fault/small_disk.h"

namespace cairn::fault {
namespace {

// Before a fault: so long does the cluster run undisturbed.
constexpr absl::Duration kCalm = absl::Seconds(1);
constexpr absl::Duration kRecovery = absl::Seconds(120);
// A recovery that takes longer is explained.
constexpr absl::Duration kSlowRecovery = absl::Seconds(5);
// So many appends after a fault show that they go on.
constexpr uint64_t kRecoveredRecords = 100;

}  // namespace

std::vector<Fault> AllFaults() {
  std::vector<Fault> all;
  for (const auto family : {ProcessFaults(), NewbornFaults(), NetworkFaults(), DiskFaults(),
                            DamageFaults(), LyingDiskFaults(), ClockFaults()}) {
    all.insert(all.end(), family.begin(), family.end());
  }
  return all;
}

absl::Status NoEffect(std::string_view why) { return absl::InternalError(ToAbsl(why)); }

Drill::Drill(DrillOptions options, const cli::Interrupt* interrupt)
    : options_(std::move(options)), interrupt_(interrupt) {}

absl::StatusOr<Verdict> Drill::Run() {
  const absl::Time begin = absl::Now();
  RETURN_IF_ERROR(Start());
  const absl::Status rounds = Rounds(begin + options_.time);
  if (absl::IsCancelled(rounds)) return rounds;
  if (!rounds.ok()) verdict_.findings.emplace_back(rounds.message());
  RETURN_IF_ERROR(Judge());
  verdict_.seconds = absl::ToDoubleSeconds(absl::Now() - begin);
  return verdict_;
}

absl::Status Drill::Start() {
  std::unique_ptr<VirtualNet> net;
  const absl::Status mounts = EnterMountNamespace();
  if (!mounts.ok()) no_small_disk_ = std::string(mounts.message());
  no_network_ = "--network loopback";
  if (options_.namespaces) {
    auto made = VirtualNet::Make(options_.lab.nodes, options_.lab.seed);
    no_network_ = made.ok() ? "" : std::string(made.status().message());
    if (made.ok()) net = std::move(*made);
  }
  verdict_.seed = options_.lab.seed;
  verdict_.nodes = options_.lab.nodes;
  verdict_.network = net != nullptr ? "namespaces" : "loopback";
  lab_ = std::make_unique<Lab>(options_.lab, std::move(net), interrupt_);
  ChooseFaults();
  RETURN_IF_ERROR(lab_->Start());
  ASSIGN_OR_RETURN(traffic_, Traffic::Start(*lab_, {.seed = options_.lab.seed}));
  return absl::OkStatus();
}

std::string Drill::WhyImpossible(const Fault& fault) const {
  if ((fault.needs & kNetwork) != 0 && lab_->net() == nullptr) return no_network_;
  if ((fault.needs & kSmallDisk) != 0 && !no_small_disk_.empty()) return no_small_disk_;
  if ((fault.needs & kFiveNodes) != 0 && lab_->size() < 5) return "it needs --nodes 5";
  return "";
}

void Drill::ChooseFaults() {
  for (const Fault& fault : AllFaults()) {
    const auto& wanted = options_.faults;
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), fault.name) == wanted.end()) {
      continue;
    }
    chosen_.push_back(fault);
    FaultRow row;
    row.name = fault.name;
    row.impossible = WhyImpossible(fault);
    verdict_.faults.push_back(std::move(row));
  }
}

absl::Status Drill::Rounds(absl::Time end) {
  std::vector<size_t> order;
  for (size_t fault = 0; fault < chosen_.size(); ++fault) {
    if (verdict_.faults[fault].impossible.empty()) order.push_back(fault);
  }
  while (absl::Now() < end) {
    for (size_t i = order.size(); i > 1; --i) {
      std::swap(order[i - 1], order[lab_->random().Below(i)]);
    }
    if (order.empty()) lab_->Wait(end - absl::Now());
    for (const size_t fault : order) {
      if (absl::Now() >= end) return absl::OkStatus();
      RETURN_IF_ERROR(Inject(fault));
      if (interrupt_->Requested()) return absl::CancelledError("interrupted");
    }
  }
  return absl::OkStatus();
}

absl::Status Drill::Inject(size_t fault) {
  const uint64_t before_calm = traffic_->acknowledged();
  const absl::Time calm_since = absl::Now();
  if (!lab_->Wait(kCalm)) return absl::CancelledError("interrupted");
  calm_ += absl::Now() - calm_since;
  const uint64_t before = traffic_->acknowledged();
  acknowledged_calm_ += before - before_calm;
  verdict_.longest_gap_ms =
      std::max(verdict_.longest_gap_ms, absl::ToInt64Milliseconds(traffic_->TakeLongestGap()));

  FaultRow& row = verdict_.faults[fault];
  absl::StatusOr<std::string> evidence = chosen_[fault].run(*lab_);
  if (interrupt_->Requested()) return absl::CancelledError("interrupted");
  std::string story;
  const absl::Status recovered = Recover(traffic_->acknowledged(), story);
  const int64_t gap_ms = absl::ToInt64Milliseconds(traffic_->TakeLongestGap());
  verdict_.longest_gap_ms = std::max(verdict_.longest_gap_ms, gap_ms);
  ++row.times;
  row.acknowledged += traffic_->acknowledged() - before;
  row.longest_gap_ms = std::max(row.longest_gap_ms, gap_ms);
  if (evidence.ok()) {
    row.evidence = *evidence + story;
  } else {
    row.errors.emplace_back(evidence.status().message());
  }
  if (!recovered.ok()) row.errors.push_back("no recovery: " + std::string(recovered.message()));
  Say(fmt::format("{:22} gap {:6} ms, {} acknowledged; {}", row.name, gap_ms,
                  traffic_->acknowledged(),
                  evidence.ok() ? row.evidence : std::string(evidence.status().message())));
  // A cluster that does not come back is the finding; more faults would only blur it.
  return recovered;
}

absl::Status Drill::Recover(uint64_t acknowledged_before, std::string& story) {
  const absl::Time begin = absl::Now();
  std::string waited_for;
  RETURN_IF_ERROR(lab_->AwaitWhole(kRecovery, &waited_for));
  if (const absl::Duration took = absl::Now() - begin; took > kSlowRecovery) {
    story = fmt::format("; recovered after {:.0f} s: {}", absl::ToDoubleSeconds(took), waited_for);
  }
  const absl::Time give_up = absl::Now() + kRecovery;
  while (traffic_->acknowledged() < acknowledged_before + kRecoveredRecords) {
    RETURN_IF_ERROR(traffic_->status());
    if (absl::Now() > give_up) return absl::UnavailableError("no append succeeds any more");
    if (!lab_->Wait(absl::Milliseconds(10))) return absl::CancelledError("interrupted");
  }
  return absl::OkStatus();
}

absl::Status Drill::Judge() {
  Say("verifying");
  traffic_->Judge(*lab_, verdict_);
  verdict_.acknowledged_per_s =
      static_cast<double>(acknowledged_calm_) / std::max(0.001, absl::ToDoubleSeconds(calm_));
  verdict_.repairs = lab_->repairs;
  return absl::OkStatus();
}

void Drill::Say(const std::string& line) const {
  if (!options_.quiet) fmt::print(stderr, "{}\n", line);
}

}  // namespace cairn::fault
