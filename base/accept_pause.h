// AcceptPause: what a listener does when a connection cannot be accepted.
//
// Without a descriptor left, accepting fails, and would fail again at once for as long as the
// connection waits. So nothing is accepted for kPauseUs, and the log says so at most once in
// kLogEveryUs, however long that goes on. Connections wait in the kernel meanwhile.
//
// Threads: the listener's.
#pragma once

#include <cstdint>
#include <string>
#include <system_error>
#include <utility>

#include "base/clock.h"

namespace cairn {

class AcceptPause {
 public:
  static constexpr int64_t kPauseUs = 100 * kMicrosPerMilli;
  static constexpr int64_t kLogEveryUs = 10 * kMicrosPerSecond;

  // `where`: the listener's address, for the log.
  explicit AcceptPause(std::string where) : where_(std::move(where)) {}

  // Accepting has failed. Returns how long nothing is accepted; 0: only that connection has gone.
  int64_t OnFailure(const std::error_code& why, MonoMicros now_us);

  // Failures that the log was told of, for tests.
  [[nodiscard]] uint64_t logged() const { return logged_; }

 private:
  const std::string where_;
  MonoMicros log_again_us_ = 0;
  uint64_t silent_ = 0;  // Failures since the last one that was logged.
  uint64_t logged_ = 0;
};

}  // namespace cairn
