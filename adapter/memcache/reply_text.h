// What clients are told, word by word: statuses of classic commands, lines of meta commands with
// the flags that were asked for, in the client's order.
//
// Threads: none; pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "adapter/memcache/effect.h"
#include "adapter/memcache/expiry.h"
#include "adapter/memcache/request.h"

namespace cairn::adapter::memcache {

// `text` with its line end; nothing after noreply.
std::string Say(const Request& request, std::string_view text);

// A line of a meta command: `code` with the flags O and k, and with c for `ms`. `cas` is the
// client's token of the item that was stored; 0: none was.
std::string MetaStatus(const Request& request, std::string_view code, uint64_t cas = 0);

// The reply to a store, classic or meta. `code` is one of HD, NS, EX and NF.
std::string StoreStatus(const Request& request, std::string_view code, uint64_t cas = 0);
// The same for a deletion: HD, EX, NF.
std::string DeleteStatus(const Request& request, std::string_view code);
// The same for `incr`, `decr` and `ma` that came to nothing: NF, EX.
std::string NumberStatus(const Request& request, std::string_view code);

// What `incr`, `decr` or `ma` came to.
struct NewNumber {
  std::string_view digits;
  UnixSeconds expires_at = 0;  // Before the flags T and N; 0: never.
  bool created = false;        // By the flag N.
  uint64_t cas = 0;            // The client's token.
};
std::string NumberReply(const Request& request, const NewNumber& number, const EngineClock& clock);

// `mg` for an item that the engine has not: not used yet, and without soft marks. `cas`: the
// client's token.
std::string MetaGetReply(const Request& request, const Item& item, uint64_t cas,
                         const EngineClock& clock);

// When the number expires, by the flags T and N, of which the last one counts.
UnixSeconds NumberExpiry(const Request& request, UnixSeconds expires_at, bool created,
                         UnixSeconds now);

}  // namespace cairn::adapter::memcache
