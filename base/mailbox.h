// Mailbox: a bounded queue with many producers and one consumer.
//
// Threads: TryPush and Close from any thread; DrainInto from the one consumer.
// Bounds: `capacity` items that may be refused (TryPush) and no bound on those
//   that must not be lost (PushUrgent: completions of work this node started,
//   whose number the work itself bounds).
// The consumer takes everything at once, so one wake-up serves a whole batch.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace cairn {

template <class T>
class Mailbox {
 public:
  explicit Mailbox(size_t capacity) : capacity_(capacity) {}
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // False when full or closed: nothing happened and `item` is untouched, so the
  // caller can still answer for it.
  [[nodiscard]] bool TryPush(T& item) {
    absl::MutexLock lock(&mutex_);
    if (closed_ || items_.size() >= capacity_) return false;
    items_.push_back(std::move(item));
    return true;
  }

  // False only when closed.
  bool PushUrgent(T item) {
    absl::MutexLock lock(&mutex_);
    if (closed_) return false;
    items_.push_back(std::move(item));
    return true;
  }

  // Appends all waiting items to `out` in push order, blocking up to `timeout`
  // for the first. Returns false once the mailbox is closed and empty.
  bool DrainInto(std::vector<T>& out, absl::Duration timeout) {
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(this, &Mailbox::Ready), timeout);
    if (out.empty()) {
      out.swap(items_);
    } else {
      for (T& item : items_) out.push_back(std::move(item));
      items_.clear();
    }
    return !(closed_ && out.empty());
  }

  // Refuses all further pushes; what is queued can still be drained.
  void Close() {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
  }

  [[nodiscard]] size_t size() const {
    absl::MutexLock lock(&mutex_);
    return items_.size();
  }

 private:
  bool Ready() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return closed_ || !items_.empty(); }

  const size_t capacity_;
  mutable absl::Mutex mutex_;
  std::vector<T> items_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace cairn
