// LeaseKeeperCore: the rules of holding a lease (design section 6). Pure but for LeaseDeadline,
// which other threads read.
//
//   Acquiring ─► (unknown) Resolving ─► Holding ─► Leaving ─► Lost
//       │              │                  ▲  │        │         ▲
//       └──────────────┴─► Confirming ────┘  └────────┼─────────┘
//                                            ▲        │
//                                            └────────┘ certainly not done
//
// Every span of safety is counted from the moment before its request was sent. A grant whose answer
// was lost counts from its first try, the earliest moment at which it may have been granted; if
// too little of it is left, a renewal confirms the lease before anybody is told.
//
// Events in, actions out; each action's answer comes back as the matching event.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "cairn/types.h"
#include "client/src/lease_deadline.h"
#include "client/src/wake_timer.h"

namespace cairn::client {

// The longest that a log grants. An answer that says more is no lease for ever.
inline constexpr int64_t kMaxLeaseTtlUs = 3600 * kMicrosPerSecond;
inline int64_t LeaseTtlUs(uint64_t ttl_ms) {
  constexpr auto kMaxMs = static_cast<uint64_t>(kMaxLeaseTtlUs / kMicrosPerMilli);
  return static_cast<int64_t>(ttl_ms < kMaxMs ? ttl_ms : kMaxMs) * kMicrosPerMilli;
}

class LeaseKeeperCore {
 public:
  struct Options {
    std::string holder;
    int64_t ttl_us = 10 * kMicrosPerSecond;
    double drift_margin = 0.1;
    // For the whole acquisition.
    int64_t acquire_timeout_us = 10 * kMicrosPerSecond;
  };

  enum class Ask { kAcquire, kGet, kRenew, kRelease, kTransfer };

  struct Actions {
    // Make this call, within that time.
    std::optional<Ask> ask;
    int64_t timeout_us = 0;
    // The acquisition is over: OK, or why not.
    std::optional<absl::Status> granted;
    // The Release or Transfer is over.
    std::optional<absl::Status> left;
    bool at_risk = false;
    // Entitled no more, and why.
    std::optional<absl::Status> lost;
  };

  struct Grant {
    Epoch epoch;
    Seq last_seq;
  };

  explicit LeaseKeeperCore(Options options) : options_(std::move(options)) {}

  // Acquires, or with an epoch confirms a lease that was handed over.
  Actions Start(std::optional<Epoch> epoch, MonoMicros now_us);

  Actions OnAcquired(const absl::StatusOr<Grant>& grant, MonoMicros now_us);
  Actions OnLease(const absl::StatusOr<LeaseInfo>& lease, MonoMicros now_us);
  // `ttl_us` as the log has it, by LeaseTtlUs.
  Actions OnRenewed(const absl::StatusOr<int64_t>& ttl_us, MonoMicros now_us);
  Actions OnTimer(MonoMicros now_us);

  // `ask` is kRelease or kTransfer. The caller has suspended deadline() once before, on its own
  // thread, so that nobody acts on the lease between its call and this. It is resumed here if
  // nothing is asked, and by OnLeft after a certain refusal.
  Actions Leave(Ask ask, int64_t timeout_us, MonoMicros now_us);
  Actions OnLeft(const absl::Status& status, MonoMicros now_us);

  // The owner goes away.
  Actions Close(const absl::Status& status);

  [[nodiscard]] MonoMicros wake_at_us() const;
  [[nodiscard]] LeaseDeadline& deadline() { return deadline_; }
  [[nodiscard]] const LeaseDeadline& deadline() const { return deadline_; }
  [[nodiscard]] Epoch epoch() const { return epoch_; }
  [[nodiscard]] Seq granted_last_seq() const { return granted_last_seq_; }

 private:
  enum class Phase { kNew, kAcquiring, kResolving, kConfirming, kHolding, kLeaving, kLost };

  void AskTo(Ask ask, int64_t timeout_us, Actions& actions);
  void Acquire(MonoMicros now_us, Actions& actions);
  void Resolve(MonoMicros now_us, Actions& actions);
  void Renew(MonoMicros now_us, Actions& actions);
  // The lease is ours since `sent_us` or later.
  void Take(Epoch epoch, MonoMicros sent_us, MonoMicros now_us, Actions& actions);
  void Hold(MonoMicros sent_us, Actions& actions);
  void PlanRenewal(MonoMicros sent_us);
  void OnConfirmed(const absl::StatusOr<int64_t>& ttl_us, MonoMicros now_us, Actions& actions);
  void Refuse(absl::Status status, Actions& actions);
  void Lose(absl::Status status, Actions& actions);
  [[nodiscard]] int64_t SafeUs() const;
  [[nodiscard]] int64_t RetryPauseUs() const;

  const Options options_;
  Phase phase_ = Phase::kNew;
  Epoch epoch_;
  Seq granted_last_seq_;
  LeaseDeadline deadline_;
  int64_t ttl_us_ = 0;                       // As the log has it.
  MonoMicros give_up_us_ = 0;                // End of the acquisition.
  MonoMicros sent_us_ = 0;                   // Just before the acquisition or renewal that is out.
  std::optional<MonoMicros> open_since_us_;  // Send time of the first Acquire of unknown fate.
  // What a later Acquire met; stands unless the log says that the one of unknown fate had won.
  std::optional<absl::Status> later_refusal_;
  // What the last renewal met when it was denied: why the lease is lost when its time is up.
  std::optional<absl::Status> denied_;
  bool renewing_ = false;
  Ask leaving_ = Ask::kRelease;
  MonoMicros renew_at_us_ = kNever;
  MonoMicros risk_at_us_ = kNever;
};

}  // namespace cairn::client
