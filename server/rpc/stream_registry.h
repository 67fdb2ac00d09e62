// StreamRegistry: the long-lived calls that a node must end by itself: when it stops, so that their
// callers get a retryable status and not a cut connection, and when they have lost their right.
//
// Threads: any. A stream removes itself before it is freed; CloseAll and ReviewAll call the streams
// with
//   the registry's lock held, which keeps each of them alive meanwhile. Lock order: registry,
//   then stream; a stream never calls the registry with its own lock held.
#pragma once

#include <set>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace cairn::rpc {

class Closable {
 public:
  virtual ~Closable() = default;
  // Ends the stream with SHUTTING_DOWN once what is under way has been answered. Must not
  // block, nor call the registry.
  virtual void Close() = 0;
  // Ends the stream if its caller may no longer have it. As Close otherwise.
  virtual void Review() = 0;
};

class StreamRegistry {
 public:
  // False once closed: the caller refuses its call with SHUTTING_DOWN.
  [[nodiscard]] bool Add(Closable* stream) {
    absl::MutexLock lock(&mutex_);
    if (closed_) return false;
    streams_.insert(stream);
    return true;
  }
  // No effect on a stream that was not added.
  void Remove(Closable* stream) {
    absl::MutexLock lock(&mutex_);
    streams_.erase(stream);
  }
  void CloseAll() {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
    for (Closable* stream : streams_) stream->Close();
  }

  void ReviewAll() {
    absl::MutexLock lock(&mutex_);
    for (Closable* stream : streams_) stream->Review();
  }

 private:
  absl::Mutex mutex_;
  std::set<Closable*> streams_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace cairn::rpc
