// Who has which slots of a cache, as a slot log's records tell it (adapter/redis/resharding:
// slot_state, move_rules).
//
// The first piece is a record's text; each byte behind it is a step of somebody who takes part in a
// move. Beyond "no crash": what is read is written as a text that reads the same; what is refused
// is refused with kDataLoss and words; what the rules let follow can be written and read; and only
// a commit gives slots away.
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "adapter/redis/resharding/move_rules.h"
#include "adapter/redis/resharding/slot_state.h"
#include "base/check.h"
#include "tests/fuzz/fuzz_target.h"

namespace cairn::fuzz {
namespace {

using namespace adapter::redis;  // NOLINT: this file is about that folder alone.

enum Step : uint8_t {
  kBegin,
  kAbort,
  kAdd,
  kConfirm,
  kClaim,
  kAnnounce,
  kPrepare,
  kWithdraw,
  kCommit,
  kClean,
  kSteps
};

void CheckText(const SlotState& state) {
  const auto again = ReadSlotState(EncodeSlotState(state));
  CHECK(again.ok());
  CHECK(*again == state);
}

std::optional<SlotState> Optional(absl::StatusOr<SlotState> next) {
  if (next.ok()) return *std::move(next);
  CHECK(!next.status().message().empty());
  return std::nullopt;
}

// `number` chooses the log, the epoch and the slots.
std::optional<SlotState> Follow(const SlotState& state, Step step, uint8_t number) {
  const SlotReign reign{state.logs[number % state.logs.size()], Epoch(1 + number % 3)};
  const Epoch in_force(1 + number / 3 % 3);
  const auto first = static_cast<uint16_t>(number * 64);
  const SlotRange slots{first, static_cast<uint16_t>(first + 63)};
  switch (step) {
    case kBegin:
      return Optional(BeginMove(state, slots, reign.log, number));
    case kAbort:
      return Optional(AbortMove(state, std::string(number * 4, 'w')));
    case kAdd:
      return Optional(AddLog(state, "another/" + std::to_string(number)));
    case kConfirm:
      return Confirm(state, reign, in_force);
    case kClaim:
      return Claim(state, reign, in_force);
    case kAnnounce:
      return Announce(state, reign);
    case kPrepare:
      return Prepare(state, reign, Seq(number));
    case kWithdraw:
      return Withdraw(state, reign);
    case kCommit:
      return Commit(state, reign);
    case kClean:
      return Clean(state, reign);
    case kSteps:
      break;
  }
  CHECK_UNREACHABLE();
}

void Run(std::string_view bytes) {
  Input input(bytes);
  absl::StatusOr<SlotState> read = ReadSlotState(input.Piece());
  if (!read.ok()) {
    CHECK(read.status().code() == absl::StatusCode::kDataLoss);
    CHECK(!read.status().message().empty());
    return;
  }
  SlotState state = *std::move(read);
  CheckText(state);
  while (!input.empty()) {
    const auto step = static_cast<Step>(input.Byte() % kSteps);
    const uint8_t number = input.Byte();
    for (const std::string& log : state.logs) {
      (void)HeldBack(state, log);
      (void)DutyOf(state, {log, Epoch(1 + number % 3)});
    }
    std::optional<SlotState> next = Follow(state, step, number);
    if (!next) continue;
    CheckText(*next);
    CHECK(step == kCommit || next->shares == state.shares);
    state = *std::move(next);
  }
}

std::string Of(const SlotState& state, std::initializer_list<std::pair<Step, uint8_t>> steps) {
  std::string bytes = Piece(EncodeSlotState(state));
  for (const auto& [step, number] : steps) bytes += Number(step, 1) + Number(number, 1);
  return bytes;
}

std::vector<Seed> Seeds() {
  const SlotState first = FirstSlots("cache", 2);
  return {
      {"of-before-moves", Piece("v1 0-8191=cache/1 8192-16383=cache/2")},
      // Numbers choose the log by the last bit, both epochs by what is left of a division by 3.
      {"a-whole-move", Of(first, {{kBegin, 1},
                                  {kConfirm, 0},
                                  {kClaim, 13},
                                  {kAnnounce, 1},
                                  {kPrepare, 0},
                                  {kCommit, 1},
                                  {kClean, 0}})},
      {"taken-back", Of(first, {{kAdd, 7}, {kBegin, 2}, {kAbort, 200}, {kClaim, 2}, {kClean, 2}})},
  };
}

const Registered registered({.name = "slots", .run = Run, .seeds = Seeds});

}  // namespace
}  // namespace cairn::fuzz
