// Mailbox: a bounded queue with many producers, whose items one thread at a time may work on.
//
// The right to work on items is *the turn*. The owner's thread takes it when it is woken
// (AcquireInto). A producer may push quietly, without a wake-up, and then try to take the turn
// itself (TryAcquireInto): on an idle mailbox that saves a switch of threads; on a busy one
// the holder of the turn finds the item before it lets go (ReleaseOrMore). So a quiet push must
// be followed by TryAcquireInto, and whoever got the turn must release it.
//
// Threads: pushes, TryAcquireInto and Close from any thread; AcquireInto from the owner's.
//   What the holder of the turn writes is visible to the next holder.
// Bounds: `capacity` items that may be refused (TryPush) and no bound on those
//   that must not be lost (PushUrgent: completions of work this node started,
//   whose number the work itself bounds).
// A holder takes everything at once, so one wake-up serves a whole batch.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/check.h"

namespace cairn {

// Whether a push wakes the owner.
enum class Wake : bool { kNo, kYes };

template <class T>
class Mailbox {
 public:
  explicit Mailbox(size_t capacity) : capacity_(capacity) {}
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // False when full or closed: nothing happened and `item` is untouched, so the
  // caller can still answer for it.
  [[nodiscard]] bool TryPush(T& item, Wake wake = Wake::kYes) {
    absl::MutexLock lock(&mutex_);
    if (closed_ || items_.size() >= capacity_) return false;
    items_.push_back(std::move(item));
    if (wake == Wake::kYes) wanted_ = true;
    return true;
  }

  // False only when closed.
  bool PushUrgent(T item, Wake wake = Wake::kYes) {
    absl::MutexLock lock(&mutex_);
    if (closed_) return false;
    items_.push_back(std::move(item));
    if (wake == Wake::kYes) wanted_ = true;
    return true;
  }

  // The owner: takes the turn, waiting up to `timeout` for a push that wakes it, and then for
  // the present holder. Moves all items to `out`, in push order. Returns false once the mailbox
  // is closed and empty; the turn is held in any case.
  // Requires: `out` belongs to the holder, who leaves it empty.
  bool AcquireInto(std::vector<T>& out, absl::Duration timeout) {
    absl::MutexLock lock(&mutex_);
    // Without a wait not even a look at the kernel's clock: simulated turns are that short.
    if (timeout > absl::ZeroDuration()) {
      mutex_.AwaitWithTimeout(absl::Condition(this, &Mailbox::Ready), timeout);
    }
    mutex_.Await(absl::Condition(
        +[](bool* held) { return !*held; }, &held_));
    Take(out);
    return !(closed_ && out.empty());
  }

  // Anybody: takes the turn when it is free and there are items; else changes nothing.
  // Requires: as AcquireInto; `out` is looked at only by who gets the turn.
  [[nodiscard]] bool TryAcquireInto(std::vector<T>& out) {
    absl::MutexLock lock(&mutex_);
    if (held_ || items_.empty()) return false;
    Take(out);
    return true;
  }

  // The holder: gives the turn back, unless items came in meanwhile and it may go on with them;
  // then they are in `out` and the return is true. If it may not, the owner is woken for them.
  [[nodiscard]] bool ReleaseOrMore(std::vector<T>& out, bool may_go_on) {
    absl::MutexLock lock(&mutex_);
    CHECK(held_ && out.empty());
    held_ = false;
    if (items_.empty()) return false;
    if (may_go_on) {
      Take(out);
      return true;
    }
    wanted_ = true;
    return false;
  }

  // Refuses all further pushes; what is queued can still be taken.
  void Close() {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
  }

  [[nodiscard]] size_t size() const {
    absl::MutexLock lock(&mutex_);
    return items_.size();
  }

 private:
  bool Ready() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return closed_ || (wanted_ && !held_);
  }
  void Take(std::vector<T>& out) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    CHECK(out.empty());  // Not before: until here it is another holder's.
    held_ = true;
    wanted_ = false;
    out.swap(items_);
  }

  const size_t capacity_;
  mutable absl::Mutex mutex_;
  std::vector<T> items_ ABSL_GUARDED_BY(mutex_);
  bool wanted_ ABSL_GUARDED_BY(mutex_) = false;  // A push asked for the owner.
  bool held_ ABSL_GUARDED_BY(mutex_) = false;    // Somebody has the turn.
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace cairn
