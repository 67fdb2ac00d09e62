// EngineItem: what an engine says about one key, read from its replies.
//
//   NeededFacts(request) ──AppendQuestion──► engine ──reply──► ReadAnswer ──► Decide (effects.h)
//
// Two questions. `me` tells of existence and CAS and changes nothing, not even what counts as used.
// `mg` also tells value, flags and time to live, without counting as a use, and does not repeat the
// key (passed_line.h says why that matters); but to an item that was
// invalidated (md … I) it gives away the right to renew it, which is a client's: `took_token` says
// so, and RepairCommand gives it back, at the price of a new CAS that no client knows yet.
//
// Threads: none; pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "adapter/memcache/effect.h"
#include "adapter/memcache/expiry.h"
#include "adapter/memcache/request.h"

namespace cairn::adapter::memcache {

struct EngineItem {
  std::string value;           // Facts::kItem only.
  uint32_t client_flags = 0;   // Facts::kItem only.
  UnixSeconds expires_at = 0;  // Facts::kItem only. 0: never.
  uint64_t cas = 0;            // The engine's number; 0: not known, as of an item from elsewhere.
  bool stale = false;          // X
  bool token_sent = false;     // Z, or W: somebody has the right to renew it.
  bool took_token = false;     // W: it went to this very question.
  bool operator==(const EngineItem&) const = default;
};

// What must be known of a key before Decide().
enum class Facts : uint8_t {
  kNothing,
  kVersion,  // Whether there is an item, and its CAS.
  kItem,     // All of it.
};

// Adds the question for the key of `request` to `out`: one line, answered by one reply of the kind
// ReplyKind::kMeta (reply_parser.h). Requires: facts is not kNothing.
void AppendQuestion(const Request& request, Facts facts, std::string* out);

// `reply`: the whole reply. `now`: the engine's clock (expiry.h), for the time to live. nullopt:
// there is no such item. Errors: kInternal, if it is neither; the engine is not what it should be.
absl::StatusOr<std::optional<EngineItem>> ReadAnswer(std::string_view reply, UnixSeconds now);

// The engine's clock, from the whole reply to "stats"; exact at that moment. Errors: kInternal.
absl::StatusOr<EngineClock> ReadClock(std::string_view stats);

// To be sent at once, before anybody else may ask for the key, if `took_token`; answered by "HD".
// After it item.cas is no guard any more.
std::string RepairCommand(const Request& request);

}  // namespace cairn::adapter::memcache
