// LeaseKeeper: holds a lease for a process that acts on it.
//
// It acquires the lease, renews it in the background every third of its TTL, and knows at every
// moment whether this process is still entitled. The TTL is counted on CLOCK_BOOTTIME from
// *before* the request left, less a drift margin: the keeper is never entitled for longer than
// the log's leader thinks, as long as the clocks' rates differ by less than the margin.
//
// How to use it safely:
// - Before acting on the lease *outside* the log (serving a read), have the data in hand, then
//   check IsSafe(), then hand it out. IsSafe() is computed from the clock at each call, so a
//   process that was stopped (SIGSTOP, swapped out) sees the loss at once when it wakes up.
// - Inside the log, put epoch() on every append (if_lease_epoch): that fence needs no clock.
// - Loss is final for an epoch: once IsSafe() was false, other than between a Release or Transfer
//   and its certain refusal, it never becomes true again. Acquire anew for a new epoch.
// - From the moment Release() or Transfer() is called the process is not entitled, until the
//   answer is *certainly not done*; an unknown outcome counts as loss.
//
// Threads: all methods from any thread; IsSafe(), SafeFor() and epoch() are lock-free. Callbacks
//   run on the client thread and must not block.
// Lifetime: the Client must outlive it. The destructor does not release the lease: it stops
//   renewing, and the lease expires after its TTL. Call Release() first to free it at once.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cairn/error.h"
#include "cairn/log.h"
#include "cairn/types.h"

namespace cairn {

struct LeaseOptions {
  std::string lease_name;  // Empty: "primary".
  // Who holds it: 1 … 255 bytes, unique to this incarnation of the process (a host name plus a
  // random number). An unknown acquisition is resolved by finding this name at the leader.
  std::string holder;
  // 100 ms … 1 h.
  absl::Duration ttl = absl::Seconds(10);
  // Share of the TTL that is given up for drifting clocks: 0.01 … 0.5.
  double drift_margin = 0.1;
  // Acquire only if the log's last seq is exactly this.
  std::optional<Seq> if_last_seq;
  // How long Acquire() may take in all.
  CallOptions call;

  // The end of the acquisition: OK, or why not (as Acquire). After an error the keeper is of no
  // further use, and on_lost does not follow.
  std::function<void(absl::Status)> on_granted;
  // No renewal has succeeded for half of the safe time: still entitled, but it is time to prepare
  // (stop accepting work that cannot be finished). At most once per renewal.
  std::function<void()> on_at_risk;
  // The lease is no longer safe: once, with the reason. Comes at the end of the safe time, which is
  // *before* the log can give the lease to anybody else, by the drift margin; or as soon as a
  // renewal is refused. LEASE_LOST: the log says so; kDeadlineExceeded: the time ran out;
  // kCancelled: released, transferred or destroyed.
  std::function<void(absl::Status)> on_lost;
};

class LeaseKeeper {
 public:
  using LeftCallback = std::function<void(const absl::Status&)>;

  // Acquires the lease and starts renewing it. Returns within options.call.timeout.
  // Errors: LEASE_HELD (holder, epoch, remaining): wait, or watch the tail for its end;
  //   CONDITION_FAILED: read on to last_seq first; kDeadlineExceeded: nobody answered, and the
  //   lease may have been granted to `holder` after all; it then expires unused.
  static absl::StatusOr<std::unique_ptr<LeaseKeeper>> Acquire(const Log& log, LeaseOptions options);

  // As Acquire without waiting; on_granted tells. Errors: kInvalidArgument for bad options.
  static absl::StatusOr<std::unique_ptr<LeaseKeeper>> Start(const Log& log, LeaseOptions options);

  // Takes over a lease that this holder was given by another process's Transfer, at `epoch`.
  // The safe time begins with the first renewal, which this waits for.
  // Errors: LEASE_LOST; kDeadlineExceeded.
  static absl::StatusOr<std::unique_ptr<LeaseKeeper>> Adopt(const Log& log, Epoch epoch,
                                                            LeaseOptions options);

  ~LeaseKeeper();
  LeaseKeeper(const LeaseKeeper&) = delete;
  LeaseKeeper& operator=(const LeaseKeeper&) = delete;

  // Is this process entitled at this very moment?
  [[nodiscard]] bool IsSafe() const;
  // How long it will be, if no renewal succeeds; zero when it is not.
  [[nodiscard]] absl::Duration SafeFor() const;
  // The fencing token. Stays the same after the loss.
  [[nodiscard]] Epoch epoch() const;
  // Where the log stood right after the grant, if this keeper acquired it; else 0.
  [[nodiscard]] Seq granted_last_seq() const;

  // Waits until the lease is lost, at most `timeout`; true if it is.
  bool WaitLost(absl::Duration timeout = absl::InfiniteDuration());
  // OK while entitled, otherwise the reason of the loss (as given to on_lost).
  [[nodiscard]] absl::Status status() const;

  // Frees the lease. OK also when the log says that the epoch has already ended. On an error the
  // outcome is unknown or not done; not entitled in either case but a certain refusal.
  absl::Status Release(const CallOptions& options = {});
  // The same without blocking: not entitled from the call on. `done` runs exactly once; with
  // kCancelled, an unknown outcome, when the keeper is destroyed before the answer.
  void ReleaseAsync(LeftCallback done, const CallOptions& options = {});

  // Hands over to `heir` without a gap and returns the heir's epoch. The heir then calls Adopt.
  // CONDITION_FAILED, NOT_CAUGHT_UP: certainly not done, this process is entitled again.
  absl::StatusOr<Epoch> Transfer(std::string_view heir, std::optional<Seq> if_last_seq = {},
                                 const CallOptions& options = {});

 private:
  class Impl;
  explicit LeaseKeeper(std::shared_ptr<Impl> impl);
  static absl::StatusOr<std::unique_ptr<LeaseKeeper>> Begin(const Log& log,
                                                            std::optional<Epoch> epoch,
                                                            LeaseOptions options);
  std::shared_ptr<Impl> impl_;
};

}  // namespace cairn
