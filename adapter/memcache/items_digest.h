// ItemsDigest: what a set of items comes to, whatever the order they are told in: equal on all
// nodes whose views, or engines, hold the same.
//
// Each item (key, whether it is binary, value, client flags, expires_at) is hashed to 128 bits
// (XXH3), and the hashes are added up. Where an item stands in the log does not count. It finds
// mistakes, not forgeries.
//
// Threads: none of its own.
#pragma once

#include <cstdint>
#include <string>

#include "adapter/memcache/effect_codec.h"

namespace cairn::adapter::memcache {

class ItemsDigest {
 public:
  ItemsDigest() = default;
  // As it was taken apart by items(), high() and low().
  ItemsDigest(uint64_t items, uint64_t high, uint64_t low)
      : items_(items), high_(high), low_(low) {}

  // Requires: a kStore, each key once.
  void Add(const EffectView& item);

  [[nodiscard]] uint64_t items() const { return items_; }
  [[nodiscard]] uint64_t high() const { return high_; }
  [[nodiscard]] uint64_t low() const { return low_; }
  // "12 items, digest 5f…" with 32 hexadecimal digits.
  [[nodiscard]] std::string ToText() const;
  bool operator==(const ItemsDigest&) const = default;

 private:
  uint64_t items_ = 0;
  uint64_t high_ = 0;
  uint64_t low_ = 0;
};

}  // namespace cairn::adapter::memcache
