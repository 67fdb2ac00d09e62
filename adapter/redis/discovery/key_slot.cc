#include "adapter/redis/discovery/key_slot.h"

#include <algorithm>
#include <array>
#include <numeric>

namespace cairn::adapter::redis {
namespace {

constexpr uint16_t kPolynomial = 0x1021;

constexpr std::array<uint16_t, 256> MakeTable() {
  std::array<uint16_t, 256> table{};
  for (uint32_t byte = 0; byte < table.size(); ++byte) {
    uint32_t crc = byte << 8;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc & 0x8000) != 0 ? (crc << 1) ^ kPolynomial : crc << 1;
    }
    table[byte] = static_cast<uint16_t>(crc);
  }
  return table;
}

constexpr std::array<uint16_t, 256> kTable = MakeTable();

uint16_t Crc16(std::string_view bytes) {
  uint16_t crc = 0;
  for (const char c : bytes) {
    const auto index = static_cast<uint8_t>((crc >> 8) ^ static_cast<uint8_t>(c));
    crc = static_cast<uint16_t>((crc << 8) ^ kTable[index]);
  }
  return crc;
}

// What is within the first braces, if that is something; else the whole key.
std::string_view HashedPart(std::string_view key) {
  const size_t open = key.find('{');
  if (open == std::string_view::npos) return key;
  const size_t close = key.find('}', open + 1);
  if (close == std::string_view::npos || close == open + 1) return key;
  return key.substr(open + 1, close - open - 1);
}

}  // namespace

uint32_t KeySlot(std::string_view key) { return Crc16(HashedPart(key)) % kSlots; }

bool Contains(const SlotRanges& ranges, uint32_t slot) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [slot](const SlotRange& range) { return range.Contains(slot); });
}

uint32_t CountSlots(const SlotRanges& ranges) {
  return std::accumulate(ranges.begin(), ranges.end(), uint32_t{0},
                         [](uint32_t sum, const SlotRange& range) { return sum + range.size(); });
}

}  // namespace cairn::adapter::redis
