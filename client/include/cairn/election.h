// Election: one leader among several processes, decided by a lease of a log.
//
// A candidate follows the log. It campaigns when the lease is free, expired or has not been renewed
// for its TTL, with if_last_seq set to the last record that it has *consumed*: so only a candidate
// that has seen every committed record can win.
//
//   Campaign → (won) act while keeper.IsSafe() → Resign or loss → Campaign again.
//
// The consumer drives its own Tailer and reports progress with Consumed(), since only it knows
// when a record has really been applied.
//
// Threads: all methods from any thread. Campaign blocks; Stop() wakes it.
// Lifetime: the Client must outlive it, and the LeaseKeeper that Campaign returns is the caller's.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cairn/lease_keeper.h"
#include "cairn/log.h"
#include "cairn/tailer.h"

namespace cairn {

struct ElectionOptions {
  // lease_name, holder, ttl, drift_margin, on_at_risk and on_lost are used; if_last_seq is set by
  // the election.
  LeaseOptions lease;
  // Highest random pause before an attempt, so that candidates do not collide.
  absl::Duration max_jitter = absl::Milliseconds(50);
};

// Who leads, as far as the consumed part of the log tells.
struct Leadership {
  std::string holder;  // Empty: nobody.
  Epoch epoch;
};

class Election {
 public:
  Election(const Log& log, ElectionOptions options);
  ~Election();
  Election(const Election&) = delete;
  Election& operator=(const Election&) = delete;

  // To be called for every event of the consumer's Tailer, *after* its records were applied.
  // Keeps the position, the present holder, and the time of its last sign of life.
  void Consumed(const TailEvent& event);

  // Blocks until this process has won, and returns its keeper. Only positions that were reported
  // by Consumed() are campaigned with; a lost test is tried again when the consumer has moved.
  // Errors: kCancelled after Stop(); kDeadlineExceeded after `timeout`; LOG_RECREATED,
  //   LOG_NOT_FOUND, PERMISSION_DENIED.
  // After winning, consume every record up to keeper->epoch() before acting: the grant itself and
  // records of the lease's end stand between.
  absl::StatusOr<std::unique_ptr<LeaseKeeper>> Campaign(
      absl::Duration timeout = absl::InfiniteDuration());

  // Who leads now, from the records consumed so far.
  [[nodiscard]] Leadership Observe() const;

  // Gives the lease back, to nobody in particular. The same as keeper.Release().
  static absl::Status Resign(LeaseKeeper& keeper, const CallOptions& options = {});

  // Makes a running Campaign return kCancelled, and every later one. Idempotent.
  void Stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn
