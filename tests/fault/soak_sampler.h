// SoakSampler: looks once a second at what every node takes of its machine and at how long
// clients wait.
//
// Columns: nI_rss_mib, nI_heap_mib (allocated and not freed, as the shim says, without the cache of
// tables' blocks, which takes hours to fill: a leak shows there first), nI_fds, nI_threads,
// nI_disk_mib of each node; the same but for the disk of this process (client_…), since the client
// library must not leak either; records_per_s; p50, p99 and max of producers' records and of
// single appends.
//
// Threads: one of its own that samples; calls from one other. Lifetime: lab and load outlive
//   it. Bounds: some 300 bytes a second.
#pragma once

#include <atomic>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "cli/histogram.h"
#include "tests/fault/curves.h"
#include "tests/fault/lab.h"
#include "tests/fault/retained_load.h"

namespace cairn::fault {

class SoakSampler {
 public:
  // Begins.
  SoakSampler(Lab* lab, RetainedLoad* load);
  ~SoakSampler();
  SoakSampler(const SoakSampler&) = delete;
  SoakSampler& operator=(const SoakSampler&) = delete;

  // Whether what is sampled from now on counts.
  void SetCalm(bool calm) { calm_ = calm; }
  // Since the first sample.
  [[nodiscard]] double Seconds() const { return absl::ToDoubleSeconds(absl::Now() - begin_); }
  // Stops, and hands out what was sampled. To be called once.
  Curves Finish();

 private:
  void Run();
  [[nodiscard]] Sample Take(absl::Duration interval);
  // NaN when it cannot be told.
  double HeapOf(size_t node, bool ask);

  Lab* const lab_;
  RetainedLoad* const load_;
  const absl::Time begin_ = absl::Now();
  std::atomic<bool> calm_{true};
  std::atomic<bool> stop_{false};
  Curves curves_;  // Of the thread, until it has ended.
  std::thread thread_;
};

}  // namespace cairn::fault
