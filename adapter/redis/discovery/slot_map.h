// SlotMap: which log of a cache holds which slots.
//
//   cache NAME of N logs:  NAME/1 … NAME/N     the data, each with agents of its own
//                          NAME.slots          where the map stands (resharding/slot_log.h)
//
// Text: "v1 0-5460=NAME/1 5461-10922=NAME/2 10923-16383=NAME/3".
//
// Threads: values.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "adapter/redis/discovery/key_slot.h"

namespace cairn::adapter::redis {

struct SlotShare {
  SlotRange slots;
  std::string log;

  bool operator==(const SlotShare&) const = default;
};
// In the order of their slots: all of them, each once. A log may have several shares, or none.
using SlotMap = std::vector<SlotShare>;

inline constexpr uint32_t kMaxShards = 1024;

// Requires: 1 … kMaxShards logs. Log `number` counts from 1.
SlotMap EvenSlots(std::string_view cache, uint32_t logs);
std::string ShardLog(std::string_view cache, uint32_t number);

SlotRanges SlotsOf(const SlotMap& map, std::string_view log);
// The log that has all of these; nullopt: several have.
std::optional<std::string> OwnerOf(const SlotMap& map, const SlotRange& slots);
// The map with these slots given to that log; shares that meet are one.
SlotMap GiveSlots(const SlotMap& map, const SlotRange& slots, std::string_view log);

// Whether a text of maps may name this log: separators are in no log's name, nor is nothing.
bool MayBeLogName(std::string_view word);

// "0-99"; nullopt for what is no range of slots.
std::optional<SlotRange> ReadSlotRange(std::string_view text);
std::string ToText(const SlotRange& slots);

std::string EncodeSlots(const SlotMap& map);
// Errors: kDataLoss for what is no map, or leaves a slot out.
absl::StatusOr<SlotMap> ReadSlots(std::string_view text);

// " 0-5460=NAME/1 …", each share behind a blank; and back: takes all shares that `text` begins
// with. Errors: as ReadSlots.
std::string ShareText(const SlotMap& map);
absl::StatusOr<SlotMap> TakeShares(std::string_view* text);

}  // namespace cairn::adapter::redis
