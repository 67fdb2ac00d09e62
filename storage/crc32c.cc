#include "storage/crc32c.h"

#include <rocksdb/rocksdb_namespace.h>

#include <array>
#include <cstddef>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace cairn::storage {
namespace {

// Eight bytes at a time.
struct CrcTables {
  std::array<std::array<uint32_t, 256>, 8> t{};
  constexpr CrcTables() {
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t crc = i;
      for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
      t[0][i] = crc;
    }
    for (uint32_t i = 0; i < 256; ++i) {
      for (size_t k = 1; k < 8; ++k) t[k][i] = (t[k - 1][i] >> 8) ^ t[0][t[k - 1][i] & 0xff];
    }
  }
};
constexpr CrcTables kCrc;

// The instruction takes eight bytes a cycle, but each waits three cycles for the one before: so
// three stripes go side by side, and the first ones' states are moved over the bytes between.
constexpr size_t kStripeBytes = 1024;

// What a stripe of zeros makes of a state, for each byte of the state.
struct ShiftTables {
  std::array<std::array<uint32_t, 256>, 4> t{};
  constexpr ShiftTables() {
    for (uint32_t bit = 0; bit < 32; ++bit) {
      uint32_t state = uint32_t{1} << bit;
      for (size_t i = 0; i < kStripeBytes; ++i) state = (state >> 8) ^ kCrc.t[0][state & 0xff];
      for (uint32_t value = 0; value < 256; ++value) {
        if ((value >> (bit % 8) & 1) != 0) t[bit / 8][value] ^= state;
      }
    }
  }
};
constexpr ShiftTables kShift;

uint32_t OverStripe(uint64_t state) {
  return kShift.t[0][state & 0xff] ^ kShift.t[1][(state >> 8) & 0xff] ^
         kShift.t[2][(state >> 16) & 0xff] ^ kShift.t[3][(state >> 24) & 0xff];
}

uint64_t LoadWord(const char* p) {
  uint64_t word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) uint32_t ByInstruction(uint32_t crc, std::string_view bytes) {
  uint64_t state = ~crc;
  const char* p = bytes.data();
  size_t n = bytes.size();
  for (; n >= 3 * kStripeBytes; n -= 3 * kStripeBytes, p += 3 * kStripeBytes) {
    uint64_t second = 0;
    uint64_t third = 0;
    for (size_t i = 0; i < kStripeBytes; i += 8) {
      state = _mm_crc32_u64(state, LoadWord(p + i));
      second = _mm_crc32_u64(second, LoadWord(p + kStripeBytes + i));
      third = _mm_crc32_u64(third, LoadWord(p + 2 * kStripeBytes + i));
    }
    state = OverStripe(OverStripe(state) ^ second) ^ third;
  }
  for (; n >= 8; n -= 8, p += 8) state = _mm_crc32_u64(state, LoadWord(p));
  auto low = static_cast<uint32_t>(state);
  for (; n > 0; --n, ++p) low = _mm_crc32_u8(low, static_cast<uint8_t>(*p));
  return ~low;
}
#endif

}  // namespace

uint32_t Crc32cByTable(uint32_t crc, std::string_view bytes) {
  crc = ~crc;
  const char* p = bytes.data();
  size_t n = bytes.size();
  for (; n >= 8; n -= 8, p += 8) {
    const uint64_t word = LoadWord(p) ^ crc;
    crc = 0;
    for (size_t k = 0; k < 8; ++k) crc ^= kCrc.t[7 - k][(word >> (8 * k)) & 0xff];
  }
  for (; n > 0; --n, ++p) crc = (crc >> 8) ^ kCrc.t[0][(crc ^ static_cast<uint8_t>(*p)) & 0xff];
  return ~crc;
}

uint32_t Crc32cExtend(uint32_t crc, std::string_view bytes) {
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
  if (has_instruction) return ByInstruction(crc, bytes);
#endif
  return Crc32cByTable(crc, bytes);
}

}  // namespace cairn::storage

#if defined(__x86_64__)
// Elsewhere RocksDB chooses well by itself.
namespace ROCKSDB_NAMESPACE::crc32c {

// Replaces the library's own (crc32c.h above says why). Declared in its internal header only.
uint32_t Extend(uint32_t init_crc, const char* data, size_t n);
uint32_t Extend(uint32_t init_crc, const char* data, size_t n) {
  return cairn::storage::Crc32cExtend(init_crc, {data, n});
}

}  // namespace ROCKSDB_NAMESPACE::crc32c
#endif
