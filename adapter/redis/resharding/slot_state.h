// SlotState: what stands in a record of a cache's slot log: who has which slots, which logs the
// cache has, and the move of slots that is under way, if there is one.
//
// The last record counts, and only it. Every change is one record more, appended on the condition
// that the one it was made from is still the last, so all agents and tools agree on one history
// (docs/decisions/030).
//
// Text, of one line: "v1" as in discovery/slot_map.h before anything was moved, then
//
//   v2 made=<logs> logs=<log>,… <first>-<last>=<log> …
//      [move=<n> slots=<first>-<last> from=<log> to=<log> phase=<phase> source=<epoch>
//       target=<epoch> through=<seq> since=<us> [cut=<ms>]] last=<n> how=moved|aborted
//      why=<words to the end>
//
// Threads: values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "adapter/redis/discovery/slot_map.h"
#include "base/clock.h"
#include "base/ids.h"

namespace cairn::adapter::redis {

// What each of them means is told with the rules (move_rules.h).
enum class MovePhase : uint8_t { kCopying, kReady, kPrepared, kMoved, kAborting };
std::string_view Name(MovePhase phase);

inline constexpr uint32_t kDefaultCutMs = 3'000;

struct SlotMove {
  uint64_t number = 0;  // 1, 2, 3, … of the cache.
  SlotRange slots;
  std::string source;  // Logs.
  std::string target;
  MovePhase phase = MovePhase::kCopying;
  Epoch source_epoch;  // The source's reign that knows of the move; 0: none yet.
  Epoch target_epoch;  // The target's reign that copies; 0: none yet.
  Seq through;         // kPrepared, kMoved: the source's log has all writes of the slots by there.
  WallMicros since = 0;  // When it began, by the clock of who asked for it.
  // So long calls of the slots may wait for the cut; then the source goes on with them.
  uint32_t cut_ms = kDefaultCutMs;

  bool operator==(const SlotMove&) const = default;
};

struct SlotState {
  SlotMap shares;
  std::vector<std::string> logs;  // All of the cache, in the order in which they came.
  uint32_t made = 0;              // So many of them it had when it was made.
  std::optional<SlotMove> move;
  uint64_t last_move = 0;   // The number of the last one that is over; 0: none.
  bool last_moved = false;  // Or else it was aborted.
  std::string why;  // The move under way is taken back, or the last one was; empty: neither.

  bool operator==(const SlotState&) const = default;
};

inline constexpr size_t kMaxWhyBytes = 400;

// A cache's first.
SlotState FirstSlots(std::string_view cache, uint32_t logs);

std::string EncodeSlotState(const SlotState& state);
// Errors: kDataLoss, quoting the text.
absl::StatusOr<SlotState> ReadSlotState(std::string_view text);

}  // namespace cairn::adapter::redis
