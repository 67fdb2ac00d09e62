// Effect: one change of a cache's items, as it stands in the log. Never an intention: what `add`,
// `append`, `incr` and their like came to was computed before, so that folding the same effects
// gives the same items on every node, at any later time.
//
//   request + item ──effects.h──► Effect ──record_builder.h──► log ──► View, engines of standbys
//
// Times are absolute: seconds since 1970, UTC, as memcached counts them (whole seconds).
//
// Threads: none; plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>

namespace cairn::adapter::memcache {

inline constexpr size_t kMaxKeyBytes = 250;

// Seconds since 1970; 0: never.
using UnixSeconds = int64_t;

// Whether an item with this expires_at is absent at `now`, as memcached judges it.
inline bool HasExpired(UnixSeconds expires_at, UnixSeconds now) {
  return expires_at != 0 && expires_at <= now;
}

// An item as a client sees it, but for its CAS token.
struct Item {
  std::string value;          // Without the line end that follows it in the protocol.
  uint32_t client_flags = 0;  // The protocol's opaque <flags>.
  UnixSeconds expires_at = 0;
  bool operator==(const Item&) const = default;
};

// The key has this item from now on. Keys are the bytes themselves (1 to 250; base64 keys of the
// meta commands are decoded; `binary` remembers that they need it).
struct StoreEffect {
  std::string key;
  bool binary = false;
  Item item;
  bool operator==(const StoreEffect&) const = default;
};

struct DeleteEffect {
  std::string key;
  bool binary = false;
  bool operator==(const DeleteEffect&) const = default;
};

// The item, if there is one, lives until then.
struct TouchEffect {
  std::string key;
  bool binary = false;
  UnixSeconds expires_at = 0;
  bool operator==(const TouchEffect&) const = default;
};

// All items are gone. It also answers a pending FlushAtEffect that is due.
struct FlushEffect {
  bool operator==(const FlushEffect&) const = default;
};

// `flush_all N`: the primary of that moment shall append a FlushEffect. Replaces a pending one;
// 0 takes it back. It changes no item.
struct FlushAtEffect {
  UnixSeconds due_at = 0;
  bool operator==(const FlushAtEffect&) const = default;
};

using Effect = std::variant<StoreEffect, DeleteEffect, TouchEffect, FlushEffect, FlushAtEffect>;

}  // namespace cairn::adapter::memcache
