// ReadQueue: the cold-read thread. Serves range reads for tails that fell behind the ring
// and for peers that lag, so that no worker ever touches the disk.
//
// Reads by which replicas are filled (ReadRequest::paced) wait for the node's allowance;
// others pass them meanwhile.
//
// Threads: Submit from any thread; `sink.OnRead` is called on the reader thread with no
//   lock held.
// Bound: each (group, purpose) has at most one read in flight, which its submitter sees to;
//   reads are cut at `max_bytes`.
// Lifetime: store and allowance outlive it.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/rate_meter.h"
#include "storage/log_store.h"
#include "storage/read_request.h"

namespace cairn::storage {

class ReadSink {
 public:
  virtual ~ReadSink() = default;
  virtual void OnRead(ReadResult result) = 0;
};

// Does one read; also used, inline, by the simulator.
ReadResult PerformRead(const LogStore& store, const ReadRequest& request);

class ReadQueue {
 public:
  // `filling`: the allowance of paced reads, in bytes per second; null: they do not wait.
  explicit ReadQueue(const LogStore* store, RateMeter* filling = nullptr);
  ~ReadQueue();
  ReadQueue(const ReadQueue&) = delete;
  ReadQueue& operator=(const ReadQueue&) = delete;

  void Submit(ReadRequest request, ReadSink* sink);
  // Answers what is queued with kCancelled (on the calling thread) and stops the thread.
  // Later submissions are answered so at once.
  void Stop();

 private:
  struct Pending {
    ReadRequest request;
    ReadSink* sink;
  };
  static void Cancel(const Pending& pending);
  void Run();
  // Does the read, and counts what a paced one has read.
  void Perform(const Pending& pending);
  // Waits for a read whose time has come. Nullopt: the queue has stopped.
  std::optional<Pending> AwaitNext();
  // The read to do now, if there is one.
  std::optional<Pending> TakeNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // How long the oldest paced read still has to wait.
  [[nodiscard]] absl::Duration PacedDelay() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const LogStore* const store_;
  RateMeter* const filling_;
  absl::Mutex mutex_;
  std::deque<Pending> pending_ ABSL_GUARDED_BY(mutex_);
  std::deque<Pending> paced_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace cairn::storage
