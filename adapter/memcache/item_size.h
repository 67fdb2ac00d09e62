// How much room memcached gives an item, and when it calls one too large.
//
// memcached 1.6 adds up a header of 48 bytes, the CAS (8), the key and a zero byte, the client's
// flags if they are not 0 (4), and the value with its line end. What is above item_size_max (option
// -I, 1 MiB by default) is "too large for cache". An item above slab_chunk_max (half of a 1 MiB
// page by default) is kept in chunks, which nobody notices but incr and decr: they take no such
// item for a number. 64-bit builds with CAS, which is how distributions build and everybody runs
// it.
//
// Threads: none; plain values.
#pragma once

#include <cstddef>
#include <cstdint>

namespace cairn::adapter::memcache {

struct ItemSizeRule {
  // As `stats settings` tells them: item_size_max, slab_chunk_max.
  size_t item_size_max = size_t{1} << 20;
  size_t slab_chunk_max = size_t{512} << 10;

  // Bytes of an item whose value has `value_bytes` bytes, without line end.
  [[nodiscard]] static size_t ItemBytes(size_t key_bytes, uint32_t client_flags,
                                        size_t value_bytes) {
    constexpr size_t kHeader = 48;
    constexpr size_t kCas = 8;
    constexpr size_t kLineEnd = 2;
    const size_t flags = client_flags == 0 ? 0 : sizeof(client_flags);
    return kHeader + kCas + key_bytes + 1 + flags + value_bytes + kLineEnd;
  }
  [[nodiscard]] bool Fits(size_t key_bytes, uint32_t client_flags, size_t value_bytes) const {
    return ItemBytes(key_bytes, client_flags, value_bytes) <= item_size_max;
  }
  [[nodiscard]] bool Chunked(size_t key_bytes, uint32_t client_flags, size_t value_bytes) const {
    return ItemBytes(key_bytes, client_flags, value_bytes) > slab_chunk_max;
  }
};

}  // namespace cairn::adapter::memcache
