// AccessState: what this node knows of the policy (server/access_policy.h), for every call to ask.
//
// In the flow: group 0's worker publishes each new policy; the services ask mode() first, which is
//   one load, and take the policy only while it is on.
// A node that started a moment ago may have missed that the policy was turned on. It lets nobody
//   in by that: its mode is unknown until a leader has told it where the catalog stands.
//
// Threads: any. One leaf mutex. Lifetime: outlives the workers and every call.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/access_policy.h"

namespace cairn::server {

class AccessState {
 public:
  enum class Mode : uint8_t {
    kUnknown,  // The catalog that is known here may be an old one.
    kOff,      // Everybody may do everything.
    kOn,
  };

  [[nodiscard]] Mode mode() const { return mode_.load(std::memory_order_acquire); }
  // Grows with each change of the policy or of the mode. Never 0.
  [[nodiscard]] uint64_t changes() const { return changes_.load(std::memory_order_acquire); }
  // Never null.
  [[nodiscard]] std::shared_ptr<const AccessPolicy> policy() const {
    absl::ReaderMutexLock lock(&mutex_);
    return policy_;
  }

  void Publish(std::shared_ptr<const AccessPolicy> policy) {
    absl::MutexLock lock(&mutex_);
    if (policy == policy_) return;
    policy_.swap(policy);
    Settle();
  }
  // What the catalog says here is what a leader says, or a little older.
  void Confirm() {
    absl::MutexLock lock(&mutex_);
    if (std::exchange(confirmed_, true)) return;
    Settle();
  }

 private:
  void Settle() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const Mode off = confirmed_ ? Mode::kOff : Mode::kUnknown;
    mode_.store(policy_->enabled() ? Mode::kOn : off, std::memory_order_release);
    changes_.fetch_add(1, std::memory_order_release);
  }

  std::atomic<Mode> mode_{Mode::kUnknown};
  std::atomic<uint64_t> changes_{1};
  mutable absl::Mutex mutex_;
  std::shared_ptr<const AccessPolicy> policy_ ABSL_GUARDED_BY(mutex_) =
      std::make_shared<const AccessPolicy>();
  bool confirmed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace cairn::server
