#include "adapter/redis/resharding/move_rules.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/planted_bug.h"
#include "base/strings.h"

namespace cairn::adapter::redis {
namespace {

// Neither decided nor given up.
bool IsOpen(const SlotMove& move) {
  return move.phase == MovePhase::kCopying || move.phase == MovePhase::kReady ||
         move.phase == MovePhase::kPrepared;
}

bool IsSource(const SlotState& state, const SlotReign& reign) {
  return state.move && state.move->source == reign.log;
}

bool IsTarget(const SlotState& state, const SlotReign& reign) {
  return state.move && state.move->target == reign.log;
}

bool IsConfirmed(const SlotState& state, const SlotReign& reign) {
  return IsSource(state, reign) && state.move->source_epoch == reign.epoch;
}

bool IsClaimed(const SlotState& state, const SlotReign& reign) {
  return IsTarget(state, reign) && state.move->target_epoch == reign.epoch;
}

// Rule 2.
bool HoldsLease(const SlotReign& reign, Epoch in_force) {
  return in_force == reign.epoch || PLANTED(kMoveWithoutLease);
}

SlotState InPhase(SlotState state, MovePhase phase) {
  state.move->phase = phase;
  if (phase != MovePhase::kPrepared && phase != MovePhase::kMoved) state.move->through = Seq();
  return state;
}

SlotState Over(SlotState state, bool moved) {
  state.last_move = state.move->number;
  state.last_moved = moved;
  state.move.reset();
  return state;
}

bool HasLog(const SlotState& state, std::string_view log) {
  return std::find(state.logs.begin(), state.logs.end(), log) != state.logs.end();
}

absl::Status Refused(const std::string& text) { return absl::FailedPreconditionError(text); }

absl::Status CheckTarget(const SlotState& state, std::string_view target) {
  if (HasLog(state, target)) return absl::OkStatus();
  return absl::NotFoundError(
      ToAbsl(fmt::format("the cache has no log {}: start an agent for it first, as --shard {}/{}",
                         target, state.logs.size() + 1, state.logs.size() + 1)));
}

}  // namespace

// ---- For the operator -------------------------------------------------------------------------

absl::StatusOr<SlotState> BeginMove(const SlotState& state, const SlotRange& slots,
                                    std::string_view target, WallMicros now, uint32_t cut_ms) {
  if (slots.first > slots.last || slots.last >= kSlots) {
    return absl::InvalidArgumentError(
        fmt::format("slots {}: expected FIRST-LAST of 0 … {}", ToText(slots), kSlots - 1));
  }
  if (absl::Status known = CheckTarget(state, target); !known.ok()) return known;
  if (state.move) {
    return Refused(
        fmt::format("slots {} are on their way from {} to {} ({}): one move at a time; wait for it "
                    "(--status), or take it back (--abort)",
                    ToText(state.move->slots), state.move->source, state.move->target,
                    Name(state.move->phase)));
  }
  const std::optional<std::string> owner = OwnerOf(state.shares, slots);
  if (!owner) {
    return Refused(fmt::format(
        "slots {} belong to more than one log, or not in one piece: move the pieces one by one, as "
        "--status lists them",
        ToText(slots)));
  }
  if (*owner == target) {
    return Refused(fmt::format("slots {} are those of {} already", ToText(slots), target));
  }
  SlotState next = state;
  next.move = SlotMove{.number = state.last_move + 1,
                       .slots = slots,
                       .source = *owner,
                       .target = std::string(target),
                       .since = now,
                       .cut_ms = cut_ms};
  next.why.clear();
  return next;
}

absl::StatusOr<SlotState> AbortMove(const SlotState& state, std::string_view why) {
  if (!state.move) return absl::NotFoundError("no slots are being moved");
  if (!IsOpen(*state.move)) {
    return Refused(state.move->phase == MovePhase::kMoved
                       ? "the move is decided: what is left is to remove the keys at its source"
                       : "the move is being taken back already");
  }
  SlotState next = InPhase(state, MovePhase::kAborting);
  next.why = std::string(why.substr(0, kMaxWhyBytes));
  std::replace(next.why.begin(), next.why.end(), '\n', ' ');
  return next;
}

absl::StatusOr<SlotState> AddLog(const SlotState& state, std::string_view log) {
  if (state.logs.size() >= kMaxShards) {
    return Refused(fmt::format("a cache has at most {} logs", kMaxShards));
  }
  if (HasLog(state, log)) return Refused(fmt::format("the cache has log {} already", log));
  SlotState next = state;
  next.logs.emplace_back(log);
  return next;
}

// ---- For primaries ----------------------------------------------------------------------------

MoveDuty DutyOf(const SlotState& state, const SlotReign& reign) {
  const bool source = IsSource(state, reign);
  if (!source && !IsTarget(state, reign)) return MoveDuty::kNothing;
  const MovePhase phase = state.move->phase;
  if (source) {
    if (phase == MovePhase::kMoved) return MoveDuty::kCleanSource;
    if (phase == MovePhase::kAborting) return MoveDuty::kNothing;
    if (reign.epoch > state.move->source_epoch) return MoveDuty::kConfirm;
    if (!IsConfirmed(state, reign) || phase == MovePhase::kCopying) return MoveDuty::kNothing;
    return phase == MovePhase::kReady ? MoveDuty::kPrepare : MoveDuty::kAwait;
  }
  if (phase == MovePhase::kMoved) return MoveDuty::kNothing;
  if (phase == MovePhase::kAborting) return MoveDuty::kCleanTarget;
  if (reign.epoch > state.move->target_epoch) return MoveDuty::kClaim;
  if (!IsClaimed(state, reign)) return MoveDuty::kNothing;
  return phase == MovePhase::kPrepared ? MoveDuty::kCommit : MoveDuty::kCopy;
}

std::optional<SlotState> Confirm(const SlotState& state, const SlotReign& source, Epoch in_force) {
  if (!IsSource(state, source) || !IsOpen(*state.move)) return std::nullopt;
  if (!HoldsLease(source, in_force)) return std::nullopt;
  if (source.epoch <= state.move->source_epoch) return std::nullopt;
  SlotState next = InPhase(state, MovePhase::kCopying);
  next.move->source_epoch = source.epoch;
  return next;
}

std::optional<SlotState> Claim(const SlotState& state, const SlotReign& target, Epoch in_force) {
  if (!IsTarget(state, target) || !IsOpen(*state.move)) return std::nullopt;
  if (!HoldsLease(target, in_force)) return std::nullopt;
  if (target.epoch <= state.move->target_epoch) return std::nullopt;
  SlotState next = InPhase(state, MovePhase::kCopying);
  next.move->target_epoch = target.epoch;
  return next;
}

std::optional<SlotState> Announce(const SlotState& state, const SlotReign& target) {
  if (!IsClaimed(state, target) || state.move->phase != MovePhase::kCopying) return std::nullopt;
  if (!state.move->source_epoch) return std::nullopt;
  return InPhase(state, MovePhase::kReady);
}

std::optional<SlotState> Prepare(const SlotState& state, const SlotReign& source, Seq through) {
  if (!IsConfirmed(state, source) || state.move->phase != MovePhase::kReady) return std::nullopt;
  SlotState next = InPhase(state, MovePhase::kPrepared);
  next.move->through = through;
  return next;
}

std::optional<SlotState> Withdraw(const SlotState& state, const SlotReign& source) {
  if (!IsConfirmed(state, source) || state.move->phase != MovePhase::kPrepared) {
    return std::nullopt;
  }
  return InPhase(state, MovePhase::kCopying);
}

std::optional<SlotState> Commit(const SlotState& state, const SlotReign& target) {
  if (!IsClaimed(state, target) || state.move->phase != MovePhase::kPrepared) return std::nullopt;
  SlotState next = InPhase(state, MovePhase::kMoved);
  next.shares = GiveSlots(state.shares, state.move->slots, state.move->target);
  return next;
}

std::optional<SlotState> Clean(const SlotState& state, const SlotReign& reign) {
  const MoveDuty duty = DutyOf(state, reign);
  if (duty == MoveDuty::kCleanSource) return Over(state, /*moved=*/true);
  if (duty == MoveDuty::kCleanTarget) return Over(state, /*moved=*/false);
  return std::nullopt;
}

SlotRanges HeldBack(const SlotState& state, std::string_view log) {
  if (!state.move || state.move->phase != MovePhase::kPrepared) return {};
  if (state.move->source != log && state.move->target != log) return {};
  return {state.move->slots};
}

}  // namespace cairn::adapter::redis
