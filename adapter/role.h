// Role: what one agent of a cache is at the moment (replica or primary), and all rules by which
// it changes. A pure state machine: events in, orders out (role_events.h); no clock, lock, thread,
// I/O or randomness. It knows nothing of any engine: `agent` drives it for Redis, and will for
// others.
//
//                 grant                      opened                 lost, given up
//   ┌─ follower ──────────► taking over ───────────────► primary ─────────────┐
//   │     ▲ │ campaign           │ fails                  │   ▲ not done      │
//   │     │ ▼                    │          hand-over,    ▼   │               ▼
//   │  campaigning               │          step down    leaving ─────────► fenced
//   │     ▲                      └──────────────────────────────────────────► │
//   │     └───────── refused ─┐                                               │
//   └◄────────────────────────┴──────── publisher and engine are at rest ◄────┘
//
// Taking over: read and feed up to the grant → promote the engine → attach the publisher, which
// opens the reign with an empty record → open the front. A memory that leads already (its agent
// was restarted, or lost the lease and nobody took it) skips the promotion.
//
// Why it is safe. Let the *committed* effects be those in the log, in its order.
// 1. One at a time. The front answers as primary only under an epoch whose lease is safe by this
//    machine's clock; a lease is left (released, transferred, dropped) only after the front was
//    told to close or to hold. Each event is preceded by a look at the clock, so a process that
//    was paused is fenced before it does anything else. Between the machine and the socket stands
//    the keeper's IsSafe(), asked after the reply is in hand.
// 2. A new primary has all that is committed. A following memory wins only with if_last_seq = what
//    the *engine* has acknowledged, and is promoted only when the engine has acknowledged the
//    grant's seq; it must then say the very offset that it was fed. A leading memory goes on only
//    from the meeting (engine_memory.h), looked up after the grant was read: nothing can be
//    appended under an older epoch behind it.
// 3. It has nothing that contradicts the log. What leads has, besides the log through the meeting,
//    only effects of its own; they are published from there. If records of others stand behind the
//    meeting it is discarded, unless it proves that it holds nothing on top. A publisher whose
//    stream has a gap has lost effects: lease and memory are given up.
// 4. Nothing twice, nothing missing. An epoch that this agent has held before, in this or an
//    earlier incarnation, is never acted upon again: TakeOver transfers it to a new one, which
//    fences what is still under way. Only then the meeting is final.
// 5. An empty or restarted engine never wins by being first: its memory is unknown, and is built
//    from the log before it counts. A log without data never is a reason to discard an engine's
//    data: such an engine waits for `adopt`.
//
// Why it goes on. Each state that waits for the world has a patience, and gives the lease back at
// its end, so that another agent may try. After that it holds off for a while itself.
//
// What the driver guarantees:
// - each order that names an end gets exactly one event of it, an EngineDown standing for those of
//   the engine (Promote, Resync, Drain). StopPublisher stands for the end of Attach and Drain too;
// - Tick at wake_at_us() or soon after; `now_us` never goes back and counts while suspended;
// - a connection to the engine that was opened anew is used only when its run id is the one that
//   the machine was told; EngineFed belongs to the present following, not to an earlier one;
// - LogSeen and EngineFed tell what *was* done; nothing past the Feed order's seq is fed;
// - kMyPast is said only of an incarnation that is certainly dead (a lock that dies with it);
// - a claim of LeadsItself is made of a memory that holds data, and after the front was closed;
// - LeaseLost is told when the lease was lost, not when an order of this machine ended it.
//
// Threads: one. Bounds: constant size.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adapter/engine_memory.h"
#include "adapter/role_events.h"
#include "base/clock.h"
#include "base/ids.h"

namespace cairn::adapter {

struct RoleOptions {
  // Highest random pause before a campaign, so that agents do not collide.
  int64_t max_jitter_us = 50 * kMicrosPerMilli;
  // From the grant to the open front, and from a broken publisher to its return, at most.
  int64_t taking_patience_us = 10 * kMicrosPerSecond;
  // Writes wait at most that long in a hand-over, on either side of it.
  int64_t pause_patience_us = 2 * kMicrosPerSecond;
  // An agent that gave the lease back lets others try for that long.
  int64_t holdoff_us = 2 * kMicrosPerSecond;
  // Between two tries of the same.
  int64_t retry_us = 20 * kMicrosPerMilli;
  int64_t resync_retry_us = kMicrosPerSecond;
  // The engine's data becomes the data of the log, which must have none.
  bool adopt = false;
};

enum class RoleState : uint8_t {
  kFollower,
  kCampaigning,
  kTaking,
  kPrimary,
  kLeaving,
  kFenced,
  kStopped,
};
// "follower", …
std::string_view Name(RoleState state);

class Role {
 public:
  explicit Role(RoleOptions options) : options_(options) {}

  // Takes the event in and returns what is to be done, in order. After kStopped: nothing.
  [[nodiscard]] std::vector<RoleOrder> Handle(const RoleEvent& event, MonoMicros now_us);

  // When a Tick is due; nullopt: only events move it.
  [[nodiscard]] std::optional<MonoMicros> wake_at_us() const;

  [[nodiscard]] RoleState state() const { return state_; }
  [[nodiscard]] FrontMode front() const { return front_; }
  // Of the lease that is or was last held.
  [[nodiscard]] Epoch epoch() const { return epoch_; }
  [[nodiscard]] const EngineMemory& memory() const { return memory_; }
  // The log has records of a newer engine, which this one must not be given.
  [[nodiscard]] bool version_fenced() const { return version_fenced_; }

 private:
  enum class Step { kCatchingUp, kPromoting, kAttaching };
  enum class Leaving { kDraining, kRetrying, kTransferring };
  // How a lease ends: the keeper or the log said so; it runs out; it is given back.
  enum class Ending { kLost, kDropped, kReleased };

  // role.cc: dispatch, what is seen of the log and the engine.
  void On(const TickEvent& e) { draw_ = e.draw; }
  void On(const LogSeenEvent& e);
  void On(const LogReachEvent& e) { reachable_ = e.reachable; }
  void On(const EngineDownEvent& e);
  void On(const EngineReadyEvent& e);
  void On(const EngineFedEvent& e) { memory_.Fed(e); }
  void On(const ResyncedEvent& e);
  void On(const ResyncFailedEvent& e);
  void On(const VersionFenceEvent& e) { version_fenced_ = e.fenced; }
  void Proceed();
  void Order(RoleOrder order) { orders_.push_back(std::move(order)); }
  void SetFront(FrontMode mode);
  void SettleFront();
  void Report(std::string_view what);
  // The lease is held and may be acted upon, but for the clock.
  [[nodiscard]] bool Reigns() const;
  // The lease is on its way to an heir: done, not done, or its end must be heard first.
  [[nodiscard]] bool Transfers() const;

  // role_campaign.cc: a follower, its engine, and how it comes to a lease.
  void ProceedAsFollower();
  void Resync();
  void BoundFeed(std::optional<Seq> through);
  void ConsiderLease();
  void ClaimOwnLease();
  [[nodiscard]] bool MustResync() const;
  [[nodiscard]] bool MayAdopt() const;
  [[nodiscard]] bool IsCurrent() const;
  [[nodiscard]] bool MayReign() const;
  [[nodiscard]] MonoMicros CampaignFrom() const;
  void On(const GrantedEvent& e);
  void On(const RefusedEvent& e);
  void On(const AttemptUnknownEvent& e);
  void StartAttempt();
  void HoldOff(int64_t pause_us);

  // role_reign.cc: from the grant to the fence.
  void ProceedTaking();
  void Promote();
  void AttachFirst();
  void AttachAgain();
  void ProceedAttaching();
  void On(const PromotedEvent& e);
  void On(const PromotionFailedEvent& e);
  void On(const AttachedEvent& e);
  void On(const PublisherFailedEvent& e);
  void On(const PublisherStoppedEvent& e);
  void On(const LeaseSafeEvent& e);
  void On(const LeaseLostEvent& e);
  void Fence(Ending ending);

  // role_leaving.cc: hand-over, step down, stop.
  void ProceedLeaving();
  void Leave(std::string heir);
  void Drain();
  void StayPrimary(std::string_view why);
  void On(const DrainedEvent& e);
  void On(const TransferredEvent& e);
  void On(const NotTransferredEvent& e);
  void On(const TransferUnknownEvent& e);
  void On(const HandOverEvent& e);
  void On(const StepDownEvent& e);
  void On(const StopEvent& e);

  const RoleOptions options_;
  MonoMicros now_us_ = 0;
  double draw_ = 0;
  std::vector<RoleOrder> orders_;
  RoleState state_ = RoleState::kFollower;
  FrontMode front_ = FrontMode::kClosed;
  std::string_view reported_;
  bool stopping_ = false;

  // The log.
  bool reachable_ = false;
  bool log_seen_ = false;
  bool caught_up_ = false;
  bool version_fenced_ = false;
  Seq read_seq_;
  LeaseView lease_;
  MonoMicros lease_alive_at_us_ = 0;
  std::optional<Meeting> published_;
  Epoch others_epoch_;

  // The engine.
  bool engine_known_ = false;  // Something was heard of it.
  bool engine_ready_ = false;
  std::string run_id_;
  EngineMemory memory_;
  bool resyncing_ = false;
  MonoMicros resync_at_us_ = 0;
  bool promoting_ = false;
  Seq promoted_seq_;
  StreamOffset promoted_offset_;

  // Coming to a lease.
  uint64_t attempt_ = 0;
  MonoMicros holdoff_until_us_ = 0;
  std::optional<MonoMicros> campaign_at_us_;
  Epoch claimed_epoch_;   // Of the last TakeOver or AdoptLease.
  Epoch released_epoch_;  // Given away or ended, even if what was read of the log lacks that.
  bool feed_bounded_ = false;

  // Holding it.
  Epoch epoch_;
  MonoMicros safe_until_us_ = 0;
  Step step_ = Step::kCatchingUp;
  MonoMicros patience_until_us_ = 0;
  // An Attach order is unanswered; one was given and no StopPublisher since is answered.
  bool attaching_ = false;
  bool publishing_ = false;
  // The publisher broke and has to be attached again, from then on.
  std::optional<MonoMicros> attach_at_us_;
  AttachKind attach_kind_ = AttachKind::kOpen;

  // Leaving it.
  Leaving leaving_ = Leaving::kDraining;
  uint64_t drain_ = 0;
  std::string heir_;
  MonoMicros leave_until_us_ = 0;
  MonoMicros drain_at_us_ = 0;
  // Clients wait until this epoch has opened its reign, or until leave_until_us_.
  std::optional<Epoch> awaited_epoch_;
};

}  // namespace cairn::adapter
