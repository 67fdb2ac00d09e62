// ArchiveReader: serves records that are trimmed from the archive, on threads of its own.
//
// Threads: a few that fetch and hand out; Open from any. Lifetime: port, access and clock outlive
//   it. Bounds: kThreads runs are fetched at a time; at most kMaxTails tails, each of which may
//   keep a run in memory for a slow reader; runs that are fetched ahead fit into the cache.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "server/runtime/archive_access.h"
#include "server/runtime/archive_tail.h"
#include "server/runtime/group_calls.h"

namespace cairn::server {

class ArchiveReader {
 public:
  static constexpr size_t kMaxTails = 128;
  // A store far away answers after tens of milliseconds, in which a run's worth could be handed
  // out; with two on their way while a third is read, three connections bring the bytes.
  static constexpr uint64_t kRunsAhead = 2;

  ArchiveReader(GroupPort* port, ArchiveAccess* access, const Clock* clock)
      : port_(port), access_(access), clock_(clock) {}
  ~ArchiveReader();
  ArchiveReader(const ArchiveReader&) = delete;
  ArchiveReader& operator=(const ArchiveReader&) = delete;

  void Start();
  // Ends all tails, and refuses further ones. Requires: the workers answer nobody any more.
  void Stop();

  // Opens `open` on the archive of `group`: as Group would, but the sink is called on other
  // threads, never before this returns from under a lock of its. Null: too many are open, or it was
  // stopped.
  std::shared_ptr<ArchiveTail> Open(GroupId group, const TailOpen& open);

 private:
  friend class ArchiveTail;
  static constexpr int kThreads = 4;

  // ---- For tails ----------------------------------------------------------------------------
  void PostUrgent(GroupId group, Event event) { port_->PostUrgent(group, std::move(event)); }
  [[nodiscard]] MonoMicros Now() const { return clock_->Mono(); }
  [[nodiscard]] ArchiveAccess& access() { return *access_; }
  void Queue(std::shared_ptr<ArchiveTail> tail);
  void Forget(const ArchiveTail* tail);
  // Has the runs from `next` on fetched, as far as they begin by `last`, while there is room.
  void ReadAhead(const archive::RunPath& path, Seq next, Seq last);

  void Work();
  void Fetch(const archive::StoredRun& run);
  [[nodiscard]] bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !queue_.empty() || MayFetch() || Done();
  }
  // One thread is left for who waits.
  [[nodiscard]] bool MayFetch() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !ahead_.empty() && fetching_ < kThreads - 1;
  }
  [[nodiscard]] bool Done() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ && tails_.empty();
  }

  GroupPort* const port_;
  ArchiveAccess* const access_;
  const Clock* const clock_;
  std::vector<std::thread> threads_;

  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // Open ones; that a tail is here keeps it alive.
  std::map<const ArchiveTail*, std::shared_ptr<ArchiveTail>> tails_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::shared_ptr<ArchiveTail>> queue_ ABSL_GUARDED_BY(mutex_);
  std::deque<archive::StoredRun> ahead_ ABSL_GUARDED_BY(mutex_);  // At most kThreads.
  int fetching_ ABSL_GUARDED_BY(mutex_) = 0;                      // Of those that were in ahead_.
};

}  // namespace cairn::server
