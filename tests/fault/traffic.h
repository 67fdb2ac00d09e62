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
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tests/fault/history_clients.h"
#include "tests/fault/lab.h"
#include "tests/fault/lease_holders.h"
#include "tests/fault/tail_watch.h"
#include "tests/fault/verdict.h"
#include "tests/integration/exactly_once_load.h"

namespace cairn::fault {

struct TrafficOptions {
  std::string log = kLoadLog;  // Of the load and the tails; made new.
  int records_per_s = 300;     // Of each of the three producers.
  uint64_t seed = 1;
  // Logs beside those of this traffic are written to even at the end, so that their replicas
  // cannot be compared.
  bool others_write = false;
};

class Traffic {
 public:
  static absl::StatusOr<std::unique_ptr<Traffic>> Start(Lab& lab, TrafficOptions options);

  [[nodiscard]] uint64_t acknowledged() const { return load_->acknowledged(); }
  [[nodiscard]] absl::Duration TakeLongestGap() { return load_->TakeLongestGap(); }
  // Not OK once the load has given up.
  [[nodiscard]] absl::Status status() const { return load_->status(); }

  // The log is one of those that this traffic writes.
  [[nodiscard]] bool Owns(const std::string& log) const;

  // Ends all of it, reads every log from every node alone and adds what is found to `verdict`.
  void Judge(Lab& lab, Verdict& verdict);

 private:
  explicit Traffic(TrafficOptions options) : options_(std::move(options)) {}
  void JudgeLoad(Lab& lab, Verdict& verdict);
  void JudgeReplicas(Lab& lab, Verdict& verdict) const;
  void JudgeTails(Verdict& verdict);
  void JudgeHistories(Lab& lab, Verdict& verdict);
  void JudgeHolders(Verdict& verdict);

  const TrafficOptions options_;
  std::unique_ptr<integration::ExactlyOnceLoad> load_;
  std::unique_ptr<TailWatch> tails_;
  std::unique_ptr<HistoryClients> histories_;
  std::unique_ptr<LeaseHolders> holders_;
  Seq load_end_;  // Of the load's log, once that was compared.
};

}  // namespace cairn::fault
