// Whole numbers in as few bytes as they need: seven bits a byte, the lowest first; the top bit says
// that more follow. Signed ones are folded so that small ones of either sign stay short (zigzag).
//
// There is one encoding of each number: one with zeros behind its highest bits is refused.
//
// Threads: pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace cairn::adapter::memcache {

inline constexpr size_t kMaxVarintBytes = 10;

inline void AppendVarint(uint64_t value, std::string* out) {
  for (; value >= 0x80; value >>= 7) out->push_back(static_cast<char>(value | 0x80));
  out->push_back(static_cast<char>(value));
}

// Takes a number from the front of `text`; false: there is none, and `text` stands anywhere.
inline bool TakeVarint(std::string_view* text, uint64_t* value) {
  uint64_t sum = 0;
  for (size_t i = 0; i < text->size() && i < kMaxVarintBytes; ++i) {
    const auto byte = static_cast<uint8_t>((*text)[i]);
    if (i == kMaxVarintBytes - 1 && byte > 1) return false;  // More than 64 bits.
    sum |= uint64_t{byte & 0x7fu} << (7 * i);
    if (byte >= 0x80) continue;
    if (byte == 0 && i > 0) return false;
    *value = sum;
    text->remove_prefix(i + 1);
    return true;
  }
  return false;
}

inline uint64_t ZigZag(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}
inline int64_t UnZigZag(uint64_t value) {
  return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
}

}  // namespace cairn::adapter::memcache
