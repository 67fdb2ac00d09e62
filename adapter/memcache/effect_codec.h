// How an effect stands in the payload of a record: a few bytes in front of key and value.
//
//   size  what
//      1  tag: bits 0-2 the kind, 3 the key is binary, 4 client flags follow, 5 a time follows
//      1  bytes of the key, 1 … 250            store, delete, touch
//    1-5  client flags, a varint               if the tag says so: they are not 0
//   1-10  time, a zigzag varint                if the tag says so: it is not 0
//    1-5  bytes of the value, a varint         store
//      …  key, value
//
// A varint has seven bits a byte, the lowest first; the top bit says that more follow. A store of a
// 20-byte key and a 128-byte value costs 4 bytes beside them, 14 with flags and a time.
//
// There is one encoding of each effect: what is longer than it need be, has a bit that means
// nothing, or a key without bytes, is refused. So an effect that was read is written as the same
// bytes. There is no checksum: the log has one over each entry, and a chain over all records.
//
// Reading takes no memory: EffectView points into the payload.
//
// Threads: pure. Errors: kDataLoss that says what was expected, and at which byte of what remained.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "adapter/memcache/effect.h"

namespace cairn::adapter::memcache {

// memcached takes no larger ones (-I).
inline constexpr size_t kMaxValueBytes = size_t{1} << 30;
// What stands in front of a value is never longer.
inline constexpr size_t kMaxEffectHeadBytes = 2 + 5 + 10 + 5 + kMaxKeyBytes;

// As they stand in the log. Never renumber.
enum class EffectKind : uint8_t { kStore = 1, kDelete = 2, kTouch = 3, kFlush = 4, kFlushAt = 5 };

// An Effect whose bytes belong to somebody else. What a kind does not have is zero or empty.
struct EffectView {
  EffectKind kind = EffectKind::kFlush;
  bool binary = false;
  std::string_view key;
  std::string_view value;     // kStore.
  uint32_t client_flags = 0;  // kStore.
  UnixSeconds at = 0;         // kStore, kTouch: expires_at; kFlushAt: due_at.

  bool operator==(const EffectView&) const = default;
};

// `effect` outlives the view.
EffectView ViewOf(const Effect& effect);
Effect ToEffect(const EffectView& view);

// What stands before the value of a store, or all of another effect.
// Requires: a key of 1 … kMaxKeyBytes where the kind has one; a value of at most kMaxValueBytes.
void AppendEffectHead(const EffectView& effect, std::string* payload);
void AppendEffect(const EffectView& effect, std::string* payload);

// The first of the effects in `payload`, which moves on behind it.
absl::StatusOr<EffectView> TakeEffect(std::string_view* payload);

// An effect whose value may go on in records that have not come yet.
struct EffectHead {
  EffectView effect;       // With as much of the value as is there.
  size_t value_bytes = 0;  // Of the whole value.
};
absl::StatusOr<EffectHead> TakeEffectHead(std::string_view* payload);

}  // namespace cairn::adapter::memcache
