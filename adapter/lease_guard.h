// LeaseGuard: is this process entitled at this very moment? The answer for whoever hands out data.
//
// It knows until when the lease is safe, by the clock that counts while the machine is suspended,
// and reads that clock at each question: a process that was stopped sees the loss at once. It never
// promises more than the LeaseKeeper behind it, which it may outlive.
//
// Threads: any; lock-free. SetSafeUntil from one thread.
#pragma once

#include <atomic>

#include "base/clock.h"

namespace cairn::adapter {

class LeaseGuard {
 public:
  explicit LeaseGuard(const Clock* clock) : clock_(clock) {}
  LeaseGuard(const LeaseGuard&) = delete;
  LeaseGuard& operator=(const LeaseGuard&) = delete;

  [[nodiscard]] bool IsSafe() const {
    return !revoked_.load(std::memory_order_acquire) &&
           clock_->Mono() < safe_until_us_.load(std::memory_order_acquire);
  }

  // How long it will be safe; 0: it is not.
  [[nodiscard]] int64_t MarginUs() const {
    return IsSafe() ? safe_until_us_.load(std::memory_order_acquire) - clock_->Mono() : 0;
  }

  // 0: not for now; a refused hand-over makes it safe again.
  void SetSafeUntil(MonoMicros until_us) {
    safe_until_us_.store(until_us, std::memory_order_release);
  }
  // For ever.
  void Revoke() { revoked_.store(true, std::memory_order_release); }

 private:
  const Clock* const clock_;
  std::atomic<bool> revoked_{false};
  std::atomic<MonoMicros> safe_until_us_{0};
};

}  // namespace cairn::adapter
