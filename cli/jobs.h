// RunJobs: the same work for many things, a few at a time, while the caller's thread watches.
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "cli/interrupt.h"

namespace cairn::cli {

// Calls job(0) … job(count - 1) on up to `parallel` threads, and `watch` on this one about ten
// times a second. After an interrupt no further job is begun. Returns each job's status; kCancelled
// for those that were not begun.
inline std::vector<absl::Status> RunJobs(size_t count, size_t parallel, const Interrupt& interrupt,
                                         const std::function<absl::Status(size_t)>& job,
                                         const std::function<void()>& watch) {
  std::vector<absl::Status> results(count, absl::CancelledError("interrupted"));
  std::atomic<size_t> next{0};
  std::atomic<size_t> done{0};
  const size_t workers = std::min(count, parallel);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < workers; ++i) {
    threads.emplace_back([&] {
      for (size_t at = next++; at < count && !interrupt.Requested(); at = next++) {
        results[at] = job(at);
      }
      ++done;
    });
  }
  while (done < workers) {
    interrupt.Wait(absl::Milliseconds(interrupt.Requested() ? 0 : 100));
    watch();
    if (interrupt.Requested()) break;
  }
  for (std::thread& thread : threads) thread.join();
  return results;
}

}  // namespace cairn::cli
