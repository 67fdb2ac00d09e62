// Hash slots of keys, as Redis Cluster has them: the CRC16 (XMODEM) of a key, or of the part of it
// within the first pair of braces, modulo 16384. Clients compute the same.
//
// Threads: pure.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace cairn::adapter::redis {

inline constexpr uint32_t kSlots = 16'384;

// 0 … kSlots - 1.
uint32_t KeySlot(std::string_view key);

// Some slots in a row; both ends included.
struct SlotRange {
  uint32_t first = 0;
  uint32_t last = kSlots - 1;

  [[nodiscard]] bool Contains(uint32_t slot) const { return slot >= first && slot <= last; }
  [[nodiscard]] uint32_t size() const { return last - first + 1; }
  [[nodiscard]] bool Contains(const SlotRange& other) const {
    return other.first >= first && other.last <= last;
  }
  bool operator==(const SlotRange&) const = default;
};

// In their order, each slot at most once, with a gap between any two. Empty: none.
using SlotRanges = std::vector<SlotRange>;

bool Contains(const SlotRanges& ranges, uint32_t slot);
uint32_t CountSlots(const SlotRanges& ranges);

}  // namespace cairn::adapter::redis
