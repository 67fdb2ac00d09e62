// RetainedLoad: writers and readers of one log that a retention keeps short, so that a cluster
// can be watched under load for as long as one likes while its disk use stays level.
//
//   producers   with records of 100 B, 1 KiB and 16 KiB
//   single      one append after another, each waited for
//   tails       one at each node
//   cold reads  from the oldest kept record on, at one node after the other
//
// Threads: several, inside; calls from any thread, but for Finish. Lifetime: the destructor ends
//   them. Bounds: memory does not grow with time (numbered_stream.h).
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "cairn/client.h"
#include "cairn/log.h"
#include "cairn/producer.h"
#include "cairn/tailer.h"
#include "cli/histogram.h"
#include "tests/fault/numbered_stream.h"

namespace cairn::fault {

// Latencies of one kind of call since they were last taken.
class LatencyBook {
 public:
  void Record(absl::Duration latency);
  cli::Histogram Take();

 private:
  absl::Mutex mutex_;
  cli::Histogram histogram_ ABSL_GUARDED_BY(mutex_);
};

// What the load did, and what was wrong; adds up over its whole life.
struct RetainedLoadResult {
  uint64_t acknowledged = 0;
  uint64_t unanswered = 0;  // Single appends that failed or whose outcome stayed unknown.
  uint64_t tailed = 0;
  uint64_t cold_reads = 0;
  uint64_t cold_records = 0;
  std::vector<std::string> findings;
};

class RetainedLoad {
 public:
  // Makes `log` with a retention of `retention_bytes` and begins.
  static absl::StatusOr<std::unique_ptr<RetainedLoad>> Start(std::vector<std::string> endpoints,
                                                             std::string log,
                                                             uint64_t retention_bytes);
  ~RetainedLoad();
  RetainedLoad(const RetainedLoad&) = delete;
  RetainedLoad& operator=(const RetainedLoad&) = delete;

  // Of records, from Send to the acknowledgement.
  [[nodiscard]] cli::Histogram TakeProduced() { return produced_.Take(); }
  // Of single appends.
  [[nodiscard]] cli::Histogram TakeSingle() { return single_.Take(); }

  // Stops writing, waits until every tail has shown what was acknowledged, and judges.
  // To be called once. Requires: the cluster is well.
  RetainedLoadResult Finish();

 private:
  struct Stream {
    size_t writer = 0;
    size_t bytes = 0;
    int records_per_s = 0;
    AckBook book{true};
    std::unique_ptr<Producer> producer;
    std::thread thread;
    absl::Mutex mutex;
    std::deque<absl::Time> sent ABSL_GUARDED_BY(mutex);  // Of the unanswered tickets, in order.
    absl::Status failure ABSL_GUARDED_BY(mutex);
  };
  struct Tail {
    std::string endpoint;
    std::unique_ptr<Tailer> tailer;
    std::thread thread;
    absl::Mutex mutex;
    std::unique_ptr<StreamCheck> check ABSL_GUARDED_BY(mutex);
    absl::Status failure ABSL_GUARDED_BY(mutex);
  };

  RetainedLoad() = default;
  absl::Status Open(const std::vector<std::string>& endpoints, const std::string& log,
                    uint64_t retention_bytes);
  [[nodiscard]] std::unique_ptr<StreamCheck> NewCheck() const;
  void Send(Stream& stream);
  void OnDelivery(Stream& stream, const Delivery& delivery);
  void AppendSingly();
  void Follow(Tail& tail) const;
  void ReadCold();
  // One read from the oldest record on. Requires: the client knows one node only.
  absl::Status ReadOnce(Client& client);
  [[nodiscard]] bool HasSeenAll(Tail& tail) const;
  void JudgeTail(Tail& tail, RetainedLoadResult& result) const;
  void StopWriting();

  std::unique_ptr<Client> client_;
  std::vector<std::unique_ptr<Client>> node_clients_;  // Each knows one node.
  std::unique_ptr<Log> log_;
  std::atomic<bool> stop_writing_{false};
  std::atomic<bool> stop_reading_{false};
  std::vector<std::unique_ptr<Stream>> streams_;
  AckBook single_book_{false};  // Of the writer behind those of the streams.
  std::vector<std::unique_ptr<Tail>> tails_;
  std::thread single_thread_;
  std::thread cold_thread_;
  LatencyBook produced_;
  LatencyBook single_;
  std::atomic<uint64_t> acknowledged_{0};
  std::atomic<uint64_t> unanswered_{0};
  std::atomic<uint64_t> cold_reads_{0};
  std::atomic<uint64_t> cold_records_{0};
  absl::Mutex findings_mutex_;
  std::vector<std::string> cold_findings_ ABSL_GUARDED_BY(findings_mutex_);
};

}  // namespace cairn::fault
