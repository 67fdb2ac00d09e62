// LogChurn: logs that are made, written, read back and deleted, one after another, so that what a
// node keeps of a log that is gone shows in its memory, its files and its descriptors.
//
// Threads: one, inside; calls from one thread. Lifetime: the destructor ends it.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "cairn/client.h"

namespace cairn::fault {

// Names of the logs begin so.
inline constexpr const char* kChurnLogs = "churn-";

struct ChurnResult {
  uint64_t logs = 0;  // Made, read back and deleted.
  std::vector<std::string> findings;
};

class LogChurn {
 public:
  static absl::StatusOr<std::unique_ptr<LogChurn>> Start(std::vector<std::string> endpoints);
  ~LogChurn();
  LogChurn(const LogChurn&) = delete;
  LogChurn& operator=(const LogChurn&) = delete;

  // Ends it and says what came of it.
  ChurnResult Finish();

 private:
  LogChurn() = default;
  void Run();
  // kDataLoss: what was acknowledged is not there. Other errors: the cluster is not well.
  absl::Status MakeAndDelete(const std::string& name);

  std::unique_ptr<Client> client_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
  absl::Mutex mutex_;
  ChurnResult result_ ABSL_GUARDED_BY(mutex_);
};

// Deletes the logs whose names begin with `prefix`. Errors: of the first that cannot be deleted.
absl::Status DeleteLogs(Client& client, const std::string& prefix);

}  // namespace cairn::fault
