#include "adapter/redis/discovery/slot_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "adapter/mark_text.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::adapter::redis {
namespace {

constexpr std::string_view kVersion = "v1";
// Of a map whose slots are all shared out one by one.
constexpr size_t kMaxShares = kSlots;

// "0-5460=NAME/1"
std::optional<SlotShare> ReadShare(std::string_view word) {
  const size_t equals = word.find('=');
  if (equals == std::string_view::npos || !MayBeLogName(word.substr(equals + 1))) {
    return std::nullopt;
  }
  const std::optional<SlotRange> slots = ReadSlotRange(word.substr(0, equals));
  if (!slots) return std::nullopt;
  return SlotShare{.slots = *slots, .log = std::string(word.substr(equals + 1))};
}

absl::Status NoMap(std::string_view text) {
  return absl::DataLossError(
      ToAbsl(fmt::format("\"{}\" does not share out {} slots", text.substr(0, 200), kSlots)));
}

// Adds a share behind the others, to the last one if that is of the same log.
void Append(const SlotShare& share, SlotMap* map) {
  if (!map->empty() && map->back().log == share.log) {
    map->back().slots.last = share.slots.last;
  } else {
    map->push_back(share);
  }
}

}  // namespace

std::string ShardLog(std::string_view cache, uint32_t number) {
  return fmt::format("{}/{}", cache, number);
}

SlotMap EvenSlots(std::string_view cache, uint32_t logs) {
  CHECK(logs >= 1 && logs <= kMaxShards);
  SlotMap map;
  uint32_t first = 0;
  for (uint32_t number = 1; number <= logs; ++number) {
    // Rounded as redis-cli --cluster create does.
    const uint32_t end = (kSlots * number + logs / 2) / logs;
    map.push_back({.slots = {first, end - 1}, .log = ShardLog(cache, number)});
    first = end;
  }
  return map;
}

SlotRanges SlotsOf(const SlotMap& map, std::string_view log) {
  SlotRanges ranges;
  for (const SlotShare& share : map) {
    if (share.log == log) ranges.push_back(share.slots);
  }
  return ranges;
}

std::optional<std::string> OwnerOf(const SlotMap& map, const SlotRange& slots) {
  for (const SlotShare& share : map) {
    if (share.slots.Contains(slots)) return share.log;
  }
  return std::nullopt;
}

SlotMap GiveSlots(const SlotMap& map, const SlotRange& slots, std::string_view log) {
  SlotMap given;
  for (const SlotShare& share : map) {
    const SlotRange& of = share.slots;
    if (of.last < slots.first || of.first > slots.last) {
      Append(share, &given);
      continue;
    }
    if (of.first < slots.first) Append({{of.first, slots.first - 1}, share.log}, &given);
    if (of.Contains(slots.first)) Append({slots, std::string(log)}, &given);
    if (of.last > slots.last) Append({{slots.last + 1, of.last}, share.log}, &given);
  }
  return given;
}

bool MayBeLogName(std::string_view word) {
  return !word.empty() && word.find_first_of(" ,=") == std::string_view::npos;
}

std::optional<SlotRange> ReadSlotRange(std::string_view text) {
  const size_t dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  SlotRange range;
  if (!ParseNumber(text.substr(0, dash), &range.first)) return std::nullopt;
  if (!ParseNumber(text.substr(dash + 1), &range.last)) return std::nullopt;
  if (range.first > range.last || range.last >= kSlots) return std::nullopt;
  return range;
}

std::string ToText(const SlotRange& slots) { return fmt::format("{}-{}", slots.first, slots.last); }

std::string ShareText(const SlotMap& map) {
  std::string text;
  for (const SlotShare& share : map) text += fmt::format(" {}={}", ToText(share.slots), share.log);
  return text;
}

absl::StatusOr<SlotMap> TakeShares(std::string_view* text) {
  const std::string_view whole = *text;
  SlotMap map;
  uint32_t next = 0;
  while (next < kSlots && text->starts_with(' ')) {
    std::string_view rest = text->substr(1);
    const std::string_view word = rest.substr(0, rest.find(' '));
    std::optional<SlotShare> share = ReadShare(word);
    if (!share || share->slots.first != next || map.size() == kMaxShares) return NoMap(whole);
    next = share->slots.last + 1;
    map.push_back(*std::move(share));
    text->remove_prefix(1 + word.size());
  }
  if (next != kSlots) return NoMap(whole);
  return map;
}

std::string EncodeSlots(const SlotMap& map) { return std::string(kVersion) + ShareText(map); }

absl::StatusOr<SlotMap> ReadSlots(std::string_view text) {
  std::string_view rest = text;
  if (!rest.starts_with(kVersion)) return NoMap(text);
  rest.remove_prefix(kVersion.size());
  ASSIGN_OR_RETURN(SlotMap map, TakeShares(&rest));
  if (!rest.empty()) return NoMap(text);
  return map;
}

}  // namespace cairn::adapter::redis
