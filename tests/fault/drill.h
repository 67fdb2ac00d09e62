// Drill: a cluster under load that is harmed in one way after another, and the judgement of it.
//
//   start ── calm ──► fault ──► recovered? ──► calm ──► fault … ──► heal ──► read all, judge
//
// Faults come in an order that the seed shuffles anew for each round, until the time is over;
// each round has every chosen fault once. After each one the cluster has to recover unaided: all
// nodes ready, all replicas sound, appends going on.
//
// Threads: the main one starts and signals processes; the traffic has its own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/interrupt.h"
#include "tests/fault/fault.h"
#include "tests/fault/lab.h"
#include "tests/fault/traffic.h"
#include "tests/fault/verdict.h"

namespace cairn::fault {

struct DrillOptions {
  LabOptions lab;
  absl::Duration time = absl::Minutes(1);
  std::vector<std::string> faults;  // Names; empty: all.
  bool namespaces = true;           // Try to have them.
  bool quiet = false;               // No line for each fault on stderr.
};

class Drill {
 public:
  Drill(DrillOptions options, const cli::Interrupt* interrupt);

  // Errors: the cluster could not be started, or the drill was interrupted (kCancelled). What
  // went wrong with the cluster under faults is in the verdict.
  absl::StatusOr<Verdict> Run();

 private:
  absl::Status Start();
  void ChooseFaults();
  // Why the fault cannot be injected here; empty: it can.
  [[nodiscard]] std::string WhyImpossible(const Fault& fault) const;
  absl::Status Rounds(absl::Time end);
  absl::Status Inject(size_t fault);
  // `story` is told what a long recovery waited for.
  absl::Status Recover(uint64_t acknowledged_before, std::string& story);
  absl::Status Judge();
  void Say(const std::string& line) const;

  const DrillOptions options_;
  const cli::Interrupt* const interrupt_;
  std::unique_ptr<Lab> lab_;
  std::unique_ptr<Traffic> traffic_;
  std::string no_small_disk_;  // Why there are no file systems of our own; empty: there are.
  std::string no_network_;     // Why there are no namespaces; empty: there are.
  std::vector<Fault> chosen_;  // As the rows of the verdict.
  Verdict verdict_;
  absl::Duration calm_;  // Spent without a fault.
  uint64_t acknowledged_calm_ = 0;
};

}  // namespace cairn::fault
