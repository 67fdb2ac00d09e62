#include "adapter/memcache/items_digest.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <cstring>

#include "base/check.h"

namespace cairn::adapter::memcache {
namespace {

// What is not key and value, in a fixed form; the lengths, so that no two items are the same bytes.
std::string_view FixedPart(const EffectView& item, char* buffer) {
  const uint64_t numbers[] = {item.key.size(), item.value.size(), item.client_flags,
                              static_cast<uint64_t>(item.at), item.binary ? 1u : 0u};
  size_t bytes = 0;
  for (uint64_t number : numbers) {
    for (int i = 0; i < 8; ++i, number >>= 8) buffer[bytes++] = static_cast<char>(number);
  }
  return {buffer, bytes};
}

constexpr size_t kFixedBytes = 5 * 8;

}  // namespace

void ItemsDigest::Add(const EffectView& item) {
  CHECK(item.kind == EffectKind::kStore);
  CHECK_LE(item.key.size(), kMaxKeyBytes);
  char head[kFixedBytes + kMaxKeyBytes];
  const size_t fixed_bytes = FixedPart(item, head).size();
  std::memcpy(head + fixed_bytes, item.key.data(), item.key.size());
  const uint64_t seed = XXH3_64bits(head, fixed_bytes + item.key.size());
  const XXH128_hash_t hash = XXH3_128bits_withSeed(item.value.data(), item.value.size(), seed);
  low_ += hash.low64;
  high_ += hash.high64 + (low_ < hash.low64 ? 1 : 0);
  ++items_;
}

std::string ItemsDigest::ToText() const {
  return fmt::format("{} items, digest {:016x}{:016x}", items_, high_, low_);
}

}  // namespace cairn::adapter::memcache
