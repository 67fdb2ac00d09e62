// Survey: asks all members how they are, and lets many pages share one answer.
//
// An answer serves everybody with the same authorization until it is kMinAge old, and for as long
// as it took to get; who comes while one is being got waits for it. So the cost does not grow with
// the pages that are open, and a cluster with very many logs is asked less often.
//
// Threads: any; Take blocks for at most kAnswerWithin beyond the local calls.
// Bounds: kMaxLogs logs; kMaxKept answers, of which the oldest goes first.
// Lifetime: `client` outlives it.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/console/cluster_view.h"
#include "server/console/node_client.h"

namespace cairn::console {

class Survey {
 public:
  static constexpr std::chrono::milliseconds kMinAge{500};
  // A member that takes longer does not count as answering.
  static constexpr std::chrono::milliseconds kAnswerWithin{700};
  static constexpr size_t kMaxLogs = 10'000;
  static constexpr size_t kMaxKept = 16;

  struct Result {
    grpc::Status status;                      // Of this node's own services.
    std::shared_ptr<const ClusterView> view;  // Null unless the status is OK.
  };

  explicit Survey(const NodeClient* client) : client_(client) {}

  Result Take(const Caller& caller);

 private:
  using Moment = std::chrono::steady_clock::time_point;

  struct Kept {
    bool running = false;
    Moment ended;
    std::chrono::steady_clock::duration took{0};
    Result result;
  };

  // The answer that is kept for that authorization; makes room for it first.
  std::shared_ptr<Kept> KeptFor(const std::string& authorization)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  [[nodiscard]] Result Ask(const Caller& caller) const;

  const NodeClient* const client_;
  absl::Mutex mutex_;
  std::map<std::string, std::shared_ptr<Kept>> kept_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace cairn::console
