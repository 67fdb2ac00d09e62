// The rules of a move of slots from one log of a cache, the source, to another, the target: which
// record of the slot log may follow which, and what the primaries of both have to do meanwhile.
//
//           BeginMove            target              target                source
//   (none) ───────────► copying ───────► copying ───────────► ready ───────────────► prepared
//                       (nobody  Claim    (epochs   Announce   (little   Prepare      │ (through)
//                        copies)           named)              is left)               │ target
//                          ▲ Confirm, Claim: another reign; Withdraw ◄────────────────┤
//                          │                                                   Commit ▼
//   (none, last=aborted) ◄── aborting ◄── AbortMove, of all above             moved: the slots are
//             Clean (target)                                                  the target's
//   (none, last=moved) ◄───────────────────────────────────────────────────────┘ Clean (source)
//
// Each arrow is one record, appended only if the one before is still the last (slot_log.h). That
// alone decides every race: between a commit and a withdrawal, an abort or a new reign, whoever's
// record comes first wins, and the other one looks again.
//
// What the primaries owe, so that slots have one owner and no write is lost:
//   1. A reign serves no slot before it has read the slot log linearizably behind its grant, and
//      has confirmed itself there if a move takes slots from it.
//   2. A reign confirms itself, or claims, only when the lease was still its own after it read of
//      the move. So a reign that comes later reads of the move, too, and takes its place.
//   3. Who prepares has held back all calls of the slots since before `through` was found, and goes
//      on with that until the slot log says something else.
//   4. A reign of the target touches keys of the slots only behind its own claim.
//   5. Who commits has the source's writes through `through` committed in the target's log.
//
// Threads: pure functions. Errors: kFailedPrecondition, kInvalidArgument and kNotFound, worded for
// the operator.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "adapter/redis/resharding/slot_state.h"

namespace cairn::adapter::redis {

// ---- For the operator -------------------------------------------------------------------------

// The move of these slots to the log `target`; calls may wait for the cut for `cut_ms`.
absl::StatusOr<SlotState> BeginMove(const SlotState& state, const SlotRange& slots,
                                    std::string_view target, WallMicros now,
                                    uint32_t cut_ms = kDefaultCutMs);
// Takes the move back, as long as it is not decided. `why` is kept, shortened to kMaxWhyBytes.
absl::StatusOr<SlotState> AbortMove(const SlotState& state, std::string_view why);
// A log without slots joins the cache.
absl::StatusOr<SlotState> AddLog(const SlotState& state, std::string_view log);

// ---- For primaries ----------------------------------------------------------------------------

// Of one reign over one of the cache's logs.
struct SlotReign {
  std::string log;
  Epoch epoch;
};

// What the record says that this reign has to do next.
enum class MoveDuty : uint8_t {
  kNothing,
  kConfirm,      // As the source: Confirm, under rule 2.
  kClaim,        // As the target: Claim.
  kCopy,         // As the target: make the keys equal, and Announce when little is left.
  kPrepare,      // As the source: hold the slots, drain, and Prepare.
  kAwait,        // As the source: go on holding; Withdraw when that takes too long.
  kCommit,       // As the target: copy through `through`, and Commit.
  kCleanSource,  // Remove what has gone, and Clean.
  kCleanTarget,  // Remove what was copied, and Clean.
};
MoveDuty DutyOf(const SlotState& state, const SlotReign& reign);

// The record that follows by that; nullopt: this reign may not say so now. `in_force` is the epoch
// of its log's lease, looked at after `state` was read (rule 2); 0: nobody holds it.
std::optional<SlotState> Confirm(const SlotState& state, const SlotReign& source, Epoch in_force);
std::optional<SlotState> Claim(const SlotState& state, const SlotReign& target, Epoch in_force);
std::optional<SlotState> Announce(const SlotState& state, const SlotReign& target);
std::optional<SlotState> Prepare(const SlotState& state, const SlotReign& source, Seq through);
std::optional<SlotState> Withdraw(const SlotState& state, const SlotReign& source);
std::optional<SlotState> Commit(const SlotState& state, const SlotReign& target);
std::optional<SlotState> Clean(const SlotState& state, const SlotReign& reign);

// Slots whose calls this log's primary must put off, by what the record says: those that are about
// to leave it, or to come to it.
SlotRanges HeldBack(const SlotState& state, std::string_view log);

}  // namespace cairn::adapter::redis
