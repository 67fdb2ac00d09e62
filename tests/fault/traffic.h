// Traffic: everything that clients do to the cluster while it is harmed, and what came of it.
//
//   load       producers that append exactly once without pause, ≥ 500 records a second in all
//   tails      of the load's log, one at each node (tail_watch.h)
//   histories  clients that race with single calls of every kind (history_clients.h)
//   holders    of a lease, who append behind its fence (lease_holders.h)
//
// Threads: several, inside; calls from one thread. Lifetime: the Lab outlives it.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tests/fault/history_clients.h"
#include "tests/fault/lab.h"
#include "tests/fault/lease_holders.h"
#include "tests/fault/tail_watch.h"
#include "tests/fault/verdict.h"
#include "tests/integration/exactly_once_load.h"

namespace cairn::fault {

class Traffic {
 public:
  static absl::StatusOr<std::unique_ptr<Traffic>> Start(Lab& lab);

  [[nodiscard]] uint64_t acknowledged() const { return load_->acknowledged(); }
  [[nodiscard]] absl::Duration TakeLongestGap() { return load_->TakeLongestGap(); }
  // Not OK once the load has given up.
  [[nodiscard]] absl::Status status() const { return load_->status(); }

  // Ends all of it, reads every log from every node alone and puts what is found into `verdict`.
  void Judge(Lab& lab, Verdict& verdict);

 private:
  Traffic() = default;
  void JudgeLoad(Lab& lab, Verdict& verdict);
  void JudgeTails(Verdict& verdict);
  void JudgeHistories(Lab& lab, Verdict& verdict);
  void JudgeHolders(Verdict& verdict);

  std::unique_ptr<integration::ExactlyOnceLoad> load_;
  std::unique_ptr<TailWatch> tails_;
  std::unique_ptr<HistoryClients> histories_;
  std::unique_ptr<LeaseHolders> holders_;
  Seq load_end_;  // Of the load's log, once that was compared.
};

}  // namespace cairn::fault
