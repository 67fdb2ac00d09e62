// What the role machine is told (RoleEvent) and what it orders (RoleOrder): plain values.
//
// The driver (`agent`) turns what lease keeper, tail, engine and publisher say into events, and
// does the orders, in their order. role.h tells what the driver must guarantee.
//
// The place of an engine's stream: `history` names one uninterrupted life of a memory under its
// own writes (for Redis the replid), `offset` counts what it has said. Two memories of the same
// history and offset are equal.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/clock.h"
#include "base/ids.h"

namespace cairn::adapter {

using StreamOffset = Ordinal<struct StreamOffsetTag>;

struct StreamPlace {
  std::string history;
  StreamOffset offset;
  bool operator==(const StreamPlace&) const = default;
};

// A seq of the log, and the place in an engine's stream whose memory equals the log through it.
struct Meeting {
  StreamPlace place;
  Seq seq;
  bool operator==(const Meeting&) const = default;
};

// Events.

// Time passes. `draw` is uniform in [0, 1): the machine has no randomness of its own.
struct TickEvent {
  double draw = 0;
};

// Whose lease it is, by the holder's name.
enum class LeaseOwner : uint8_t {
  kNobody,  // Free: never granted, released or expired.
  kOther,   // Another agent.
  kMine,    // This incarnation of this agent.
  kMyPast,  // An earlier incarnation of this agent, which is certainly dead.
};

// The lease as of a position of the log.
struct LeaseView {
  LeaseOwner owner = LeaseOwner::kNobody;
  Epoch epoch;
  int64_t ttl_us = 0;
  // Came to its owner by a Transfer, not by an Acquire.
  bool transferred = false;
  bool operator==(const LeaseView&) const = default;
};

// The log was read through read_seq, with nothing left out and in order; read_seq never goes back.
// Each lease record is told by an event of its own, whose facts are those right behind it.
struct LogSeenEvent {
  Seq read_seq;
  LeaseView lease;
  // Behind the last whole data record: where its engine's stream stood. None: no data at all.
  std::optional<Meeting> published;
  // Newest epoch granted to another agent that was read; 0 when none.
  Epoch others_epoch;
  // A leader confirmed that nothing newer than read_seq was committed.
  bool caught_up = false;
  // The lease's record or a renewal of it was read with this event.
  bool lease_alive = false;
};

// Whether the log answers.
struct LogReachEvent {
  bool reachable = false;
};

// The engine's process is gone, or it has not answered for the driver's patience.
struct EngineDownEvent {};

// What an engine that answers is known to hold. Nothing: empty, just started, or not provable.
struct KnowsNothing {
  bool operator==(const KnowsNothing&) const = default;
};
// It is fed by this agent, and holds exactly the log through seq.
struct FollowsLog {
  Seq seq;
  StreamOffset offset;  // In the stream that it was fed.
  bool operator==(const FollowsLog&) const = default;
};
// It has data and takes writes of its own; its stream stands at `place` or has stood there.
struct LeadsItself {
  StreamPlace place;
  bool operator==(const LeadsItself&) const = default;
};
using EngineClaim = std::variant<KnowsNothing, FollowsLog, LeadsItself>;

// The engine answers. Told at the agent's start (or EngineDown is), after each EngineDown, and
// whenever its run id changed.
struct EngineReadyEvent {
  std::string run_id;
  EngineClaim claim;
};

// While it follows: what was fed, and what the engine has acknowledged as applied. A lease record
// has no bytes: it counts as acknowledged with what is before it.
struct EngineFedEvent {
  Seq fed_seq;
  Seq acked_seq;
  StreamOffset fed_offset;
  StreamOffset acked_offset;
};

// A Resync order is done: the engine follows, and holds the log through seq.
struct ResyncedEvent {
  Seq seq;
  StreamOffset offset;
};
struct ResyncFailedEvent {};

// The log holds records of a newer engine: this one must not go on.
struct VersionFenceEvent {
  bool fenced = false;
};

// The end of a Campaign, TakeOver or Adopt order; `attempt` is the order's.
struct GrantedEvent {
  uint64_t attempt = 0;
  Epoch epoch;
  MonoMicros safe_until_us = 0;
};
enum class Refusal : uint8_t { kHeld, kConditionFailed, kNotCaughtUp, kLeaseLost, kOther };
struct RefusedEvent {
  uint64_t attempt = 0;
  Refusal why = Refusal::kOther;
  int64_t retry_after_us = 0;
};
struct AttemptUnknownEvent {
  uint64_t attempt = 0;
};

// A renewal of the lease: safe until then, by this machine's clock.
struct LeaseSafeEvent {
  Epoch epoch;
  MonoMicros until_us = 0;
};
struct LeaseLostEvent {
  Epoch epoch;
};

// The end of a Transfer order: the heir's epoch, or certainly not done and why, or unknown.
struct TransferredEvent {
  Epoch heir_epoch;
};
struct NotTransferredEvent {
  Refusal why = Refusal::kOther;
};
struct TransferUnknownEvent {};

// The end of a Promote order: where the engine's own stream begins, or it is not known what the
// engine did.
struct PromotedEvent {
  StreamOffset fed_offset;  // Its offset in the stream that it was fed, as it says itself.
  StreamPlace place;
};
struct PromotionFailedEvent {};

// The end of an Attach order. kContinued: the stream goes on right behind the asked place, and for
// kOpen and kAdopt the record that opens the reign has committed.
enum class Attachment : uint8_t { kContinued, kGap, kFailed };
struct AttachedEvent {
  Attachment how = Attachment::kFailed;
};

// kConnection: only the engine's connection broke; nothing that was read is lost.
// kFenced: the log says that the epoch is over. kUnknown: it is not known what was appended.
enum class PublisherTrouble : uint8_t { kConnection, kFenced, kUnknown };
struct PublisherFailedEvent {
  PublisherTrouble why = PublisherTrouble::kUnknown;
};

// The end of a StopPublisher order. `appended`: behind the last record that was handed to the
// producer. `read`: behind the last whole unit that was read; between them was nothing but units
// without effect (an engine's pings). All empty when nothing was ever read.
struct PublisherStoppedEvent {
  std::string history;
  StreamOffset appended;
  StreamOffset read;
};

// The end of a Drain order: no write is under way, and everything up to the engine's offset is
// committed; the log ends with last_seq.
struct DrainedEvent {
  uint64_t drain = 0;  // The order's.
  Seq last_seq;
};

// What the operator wants. The heir is the other agent's holder name; empty in Stop: nobody.
struct HandOverEvent {
  std::string heir;
};
struct StepDownEvent {};
struct StopEvent {
  std::string heir;
};

using RoleEvent =
    std::variant<TickEvent, LogSeenEvent, LogReachEvent, EngineDownEvent, EngineReadyEvent,
                 EngineFedEvent, ResyncedEvent, ResyncFailedEvent, VersionFenceEvent, GrantedEvent,
                 RefusedEvent, AttemptUnknownEvent, LeaseSafeEvent, LeaseLostEvent,
                 TransferredEvent, NotTransferredEvent, TransferUnknownEvent, PromotedEvent,
                 PromotionFailedEvent, AttachedEvent, PublisherFailedEvent, PublisherStoppedEvent,
                 DrainedEvent, HandOverEvent, StepDownEvent, StopEvent>;

// Orders.

// Acquire the lease. The holder's name is the incarnation's and the attempt's: never used before.
struct CampaignOrder {
  uint64_t attempt = 0;
  Seq if_last_seq;
};
// Transfer the lease from `epoch`, which is this agent's own, to a new epoch of this agent, and
// hold that. Fences what was appended under the old one and has not arrived yet.
struct TakeOverOrder {
  uint64_t attempt = 0;
  Epoch epoch;
  std::optional<Seq> if_last_seq;
};
// Hold the lease that another agent has transferred to this incarnation.
struct AdoptLeaseOrder {
  uint64_t attempt = 0;
  Epoch epoch;
};
// Free the lease, whoever of this agent holds it; no answer is waited for.
struct ReleaseOrder {
  Epoch epoch;
};
// Stop renewing, and let the lease run out.
struct DropLeaseOrder {
  Epoch epoch;
};
struct TransferOrder {
  Epoch epoch;
  std::string heir;
  Seq if_last_seq;
};

// Feed the engine records up to this seq; nullopt: all there are and all that come.
struct FeedOrder {
  std::optional<Seq> through;
};
// The engine stops following and takes writes. `expected`: what it must say that it was fed.
struct PromoteOrder {
  StreamOffset expected;
};
enum class AttachKind : uint8_t {
  kOpen,   // A new reign: from `from`, and first an empty record that names it.
  kAgain,  // The same publisher goes on where it stopped reading.
  kAdopt,  // The engine's data becomes the log's first snapshot, at the grant's seq.
};
struct AttachOrder {
  AttachKind kind = AttachKind::kOpen;
  Epoch epoch;
  StreamPlace from;
};
struct StopPublisherOrder {};

// Make the engine follow. With a meeting: if the engine stands at exactly this place, it goes on
// behind that seq. Otherwise, or without one, its memory is thrown away and built anew from
// snapshot and log. Then it is fed all that comes. Replaces a Resync that is still under way.
struct ResyncOrder {
  std::optional<Meeting> meeting;
};

enum class FrontMode : uint8_t {
  kClosed,   // Cuts all clients: what they wait for is unknown. Takes none.
  kReplica,  // Reads for those who accept a replica; the others are told where the primary is.
  kPrimary,
  kPausing,  // As primary, but new writes wait, and are not sent to the engine.
  kHolding,  // Nothing is sent and nothing is answered; clients stay.
};
struct FrontOrder {
  FrontMode mode = FrontMode::kClosed;
  Epoch epoch;  // Answers as primary only while this epoch's lease is safe. 0: as a replica.
};

// See to it that nothing is under way, and tell; see DrainedEvent.
struct DrainOrder {
  uint64_t drain = 0;
};

// Tells the operator how the hand-over ended, or why the agent does nothing.
struct ReportOrder {
  std::string_view what;  // A literal.
};
// The agent may end.
struct ExitOrder {};

using RoleOrder =
    std::variant<CampaignOrder, TakeOverOrder, AdoptLeaseOrder, ReleaseOrder, DropLeaseOrder,
                 TransferOrder, FeedOrder, PromoteOrder, AttachOrder, StopPublisherOrder,
                 ResyncOrder, FrontOrder, DrainOrder, ReportOrder, ExitOrder>;

// A line for logs, and for the golden scripts.
std::string Describe(const RoleOrder& order);

}  // namespace cairn::adapter
