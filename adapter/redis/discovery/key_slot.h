// Hash slots of keys, as Redis Cluster has them: the CRC16 (XMODEM) of a key, or of the part of it
// within the first pair of braces, modulo 16384. Clients compute the same.
//
// Threads: pure.
#pragma once

#include <cstdint>
#include <string_view>

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
  bool operator==(const SlotRange&) const = default;
};

}  // namespace cairn::adapter::redis
