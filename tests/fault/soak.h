// Soak: a cluster under a mixed load for a long while, disturbed now and then, and watched for
// what grows.
//
//   all the time   a log that a retention keeps short (retained_load.h), logs that come and go
//                  (log_churn.h), and a look at every process once a second (soak_sampler.h)
//   era by era     the drill's traffic (traffic.h) on logs of its own: at the end of an era it is
//                  judged as in a drill, and its logs are deleted
//   now and then   a fault of the drill
//
// Only the first node is killed and restarted, so that the memory of the others has the whole
// time to grow.
//
// Threads: the main one starts and signals processes; load, churn and sampler have their own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/interrupt.h"
#include "tests/fault/fault.h"
#include "tests/fault/lab.h"
#include "tests/fault/log_churn.h"
#include "tests/fault/retained_load.h"
#include "tests/fault/soak_report.h"
#include "tests/fault/soak_sampler.h"
#include "tests/fault/traffic.h"

namespace cairn::fault {

struct SoakOptions {
  LabOptions lab;
  absl::Duration time = absl::Minutes(15);
  bool namespaces = true;  // Try to have them.
};

class Soak {
 public:
  Soak(SoakOptions options, const cli::Interrupt* interrupt);

  // Errors: the cluster could not be started, or the soak was interrupted (kCancelled). What was
  // wrong with the cluster is in the report.
  absl::StatusOr<SoakReport> Run();

 private:
  absl::Status Start();
  // One life of the traffic that is compared record by record.
  absl::Status Era(absl::Time end);
  // Errors: the cluster did not recover.
  absl::Status Disturb();
  absl::Status JudgeEra(Traffic& traffic);
  absl::Status DeleteEraLogs();

  const SoakOptions options_;
  const cli::Interrupt* const interrupt_;
  std::unique_ptr<Lab> lab_;
  std::unique_ptr<RetainedLoad> load_;
  std::unique_ptr<LogChurn> churn_;
  std::unique_ptr<SoakSampler> sampler_;
  std::vector<Fault> faults_;
  size_t next_fault_ = 0;
  SoakReport report_;
};

}  // namespace cairn::fault
