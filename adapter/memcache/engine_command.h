// EngineCommand: one command to the agent's own engine.
//
// Changes go to the engine as meta commands, since only they can say all of it: base64 keys, a
// guard by CAS, and on engines of 1.6.25 and later the CAS that the item shall have (flag E), which
// is the seq of its record and thus known only when the line is written.
//
// Lifetime: `value` points into the request of a Decision, or into the effect of CommandFor.
// Threads: none; plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "adapter/memcache/effect.h"
#include "adapter/memcache/reply_parser.h"

namespace cairn::adapter::memcache {

struct EngineCommand {
  std::string line;  // Without its line end.
  std::optional<std::string_view> value;
  std::optional<std::string> own_value;  // In its place: one that stands nowhere else.
  ReplyKind reply = ReplyKind::kMeta;
  // It gives an item a new version: E may be added.
  bool versions = false;

  // Adds the bytes to send. `item_cas`: for the flag E; nullopt for engines without it.
  void AppendTo(std::optional<uint64_t> item_cas, std::string* out) const;
  // As a bound for buffers: at least what AppendTo adds.
  [[nodiscard]] size_t max_bytes() const {
    return line.size() + (value ? value->size() : own_value ? own_value->size() : 0) + 32;
  }
};

// Gives the key this item; keeps nothing of what was there. Points into `item`.
EngineCommand StoreCommand(std::string_view key, bool binary, const Item& item, UnixSeconds now);

// Its line, for who has the value elsewhere.
void AppendStoreLine(std::string_view key, bool binary, size_t value_bytes, uint32_t client_flags,
                     UnixSeconds expires_at, UnixSeconds now, std::string* out);

// Brings an effect into an engine, whatever is there: on standbys, for fills, and when a command
// that builds on the engine's own item found it gone. Never quiet. Requires: not a FlushAtEffect,
// which an engine must not see.
EngineCommand CommandFor(const Effect& effect, UnixSeconds now);

// "VERB KEY", or "VERB BASE64 b", with the length of a value behind the key where there is one.
std::string MetaLine(std::string_view verb, std::string_view key, bool binary,
                     std::optional<size_t> value_bytes = std::nullopt);

}  // namespace cairn::adapter::memcache
