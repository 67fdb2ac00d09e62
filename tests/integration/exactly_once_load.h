// ExactlyOnceLoad: producers that append numbered records without pause, remember what was
// acknowledged, and compare it with what every replica holds.
//
// Each record says its producer and number. So a reader needs no second copy of the data to
// see that nothing is missing, nothing came twice, and the order of each producer was kept.
//
// Threads: one for each producer, inside; calls from one thread.
// Lifetime: Finish before the destructor, or what is unanswered is given up.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "cairn/client.h"
#include "cairn/log.h"
#include "cairn/producer.h"

namespace cairn::integration {

struct LoadOptions {
  std::vector<std::string> endpoints;
  std::string log = "load";
  int producers = 3;
  // Of each producer; spread evenly.
  int records_per_s = 1000;
  size_t record_bytes = 200;
  // Also the longest time that the cluster may take to come back.
  absl::Duration delivery_timeout = absl::Seconds(120);
};

class ExactlyOnceLoad {
 public:
  // Creates the log and starts appending.
  static absl::StatusOr<std::unique_ptr<ExactlyOnceLoad>> Start(LoadOptions options);
  ~ExactlyOnceLoad();
  ExactlyOnceLoad(const ExactlyOnceLoad&) = delete;
  ExactlyOnceLoad& operator=(const ExactlyOnceLoad&) = delete;

  // Records that were acknowledged so far.
  [[nodiscard]] uint64_t acknowledged() const { return acknowledged_; }
  // Not OK once a producer has failed.
  [[nodiscard]] absl::Status status() const;

  // Stops sending and waits for the last answers.
  absl::Status Finish();

  // The longest time without an acknowledgement since the last call of this function, or since
  // the start; what has begun before and what still lasts included.
  absl::Duration TakeLongestGap();

  // How the log of one node differs from what was acknowledged.
  struct Comparison {
    uint64_t records = 0;   // In the log.
    uint64_t missing = 0;   // Acknowledged, but not in the log.
    uint64_t repeated = 0;  // Twice, or out of the order of their producer.
    uint64_t changed = 0;   // Another payload, at another seq than acknowledged, or of nobody.
    bool chain_differs = false;
    std::string first;  // The first difference; empty: there is none.
  };
  // Reads the log from the node at `endpoint` alone, waiting until it holds everything, and
  // compares. Requires: Finish returned OK.
  // Errors: the node cannot be read, or does not come so far in time.
  absl::StatusOr<Comparison> Compare(const std::string& endpoint) const;
  // As Compare. Errors also: kDataLoss names the first difference.
  absl::Status Verify(const std::string& endpoint) const;

 private:
  // One producer and what it heard.
  struct Stream {
    int number = 0;
    std::unique_ptr<Producer> producer;
    std::thread thread;
    mutable absl::Mutex mutex;
    std::vector<Seq> seqs ABSL_GUARDED_BY(mutex);  // Of record i at [i]; gapless.
    absl::Status failure ABSL_GUARDED_BY(mutex);
    AppendResult last ABSL_GUARDED_BY(mutex);
  };
  class Reader;

  explicit ExactlyOnceLoad(LoadOptions options) : options_(std::move(options)) {}
  absl::Status Open();
  void Send(Stream& stream);
  void OnDelivery(Stream& stream, const Delivery& delivery);
  [[nodiscard]] std::string RecordOf(int producer, uint64_t number) const;

  const LoadOptions options_;
  std::unique_ptr<Client> client_;
  std::atomic<uint64_t> acknowledged_{0};
  std::atomic<bool> stop_{false};
  absl::Mutex gap_mutex_;
  absl::Time last_answer_ ABSL_GUARDED_BY(gap_mutex_);
  absl::Duration longest_gap_ ABSL_GUARDED_BY(gap_mutex_);
  std::vector<std::unique_ptr<Stream>> streams_;
};

}  // namespace cairn::integration
