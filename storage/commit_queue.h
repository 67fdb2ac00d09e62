// CommitQueue: the storage thread. Takes every batch that is waiting, writes them as one,
// syncs once, and tells each submitter.
//
// While a sync is in flight, batches gather; the next turn takes them all (leveldb's
// writer queue, across groups and workers). Order of submission is order on disk.
//
// Threads: Submit from any thread; `sink.OnCommitted` is called on the storage thread,
//   with no lock held, after the sync and in submission order.
// Errors: a failed write stops the process (LogStore.h); it is never retried.
// Bound: the submitters' own: a worker keeps at most a few batches in flight.
#pragma once

#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "storage/log_store.h"

namespace cairn::storage {

// Told when a submitted batch is durable. Must outlive the queue.
class CommitSink {
 public:
  virtual ~CommitSink() = default;
  virtual void OnCommitted(uint64_t ticket) = 0;
  // All of a sync's OnCommitted calls have been made. The disk waits for the return, so that a
  // short piece of work (an acknowledgement, the next batch) is done here without a switch of
  // threads, and a long one elsewhere.
  virtual void AfterCommits() {}
};

class CommitQueue {
 public:
  // Starts the thread. `store` must outlive this.
  explicit CommitQueue(LogStore* store);
  // Writes what was submitted, then joins.
  ~CommitQueue();
  CommitQueue(const CommitQueue&) = delete;
  CommitQueue& operator=(const CommitQueue&) = delete;

  // Queues `batch`; `sink->OnCommitted(ticket)` once it is durable.
  void Submit(StoreBatch batch, CommitSink* sink, uint64_t ticket);

  // Finishes what was submitted and stops the thread; later submissions CHECK.
  void Stop();

 private:
  struct Pending {
    StoreBatch batch;
    CommitSink* sink;
    uint64_t ticket;
  };
  void Run();
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  LogStore* const store_;
  absl::Mutex mutex_;
  std::vector<Pending> pending_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace cairn::storage
