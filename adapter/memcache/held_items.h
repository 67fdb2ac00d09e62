// HeldItem: an item that the view has and the engine may have no room for, and what clients are
// told of it all the same.
//
//   view ──HeldItem──► engine (`ms … ME`), which may refuse it, or evict it at once
//             └──────► ReplyWithHeld, where the engine's reply says that there is no such item
//
// So with --on-miss view all items are served, whatever the engine has room for. Soft marks (W, Z,
// X; h and l of `mg`) are the engine's own: an item that it has not has none, and the flags N and
// R find nothing to do.
//
// The caller holds the order of all keys from the look into the view to the reply. Threads: none;
// pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adapter/memcache/effects.h"
#include "adapter/memcache/engine_item.h"
#include "adapter/memcache/request.h"

namespace cairn::adapter::memcache {

struct HeldItem {
  Item item;
  bool binary = false;  // Its key came in base64.
  uint64_t cas = 0;     // As the engine numbers it, or would; CasTokens::kUnnumbered: nobody knows.
  bool operator==(const HeldItem&) const = default;
};

// By the keys of a request, in their order.
using HeldItems = std::vector<std::optional<HeldItem>>;

// As the answer to the question for it; 0 for a CAS that nobody knows.
EngineItem AsEngineItem(const HeldItem& held);

// What the client gets. `engine_reply`: to the decision's command, as it came; empty if there was
// none. `client_reply`: what ClientReply makes of it, which is also the answer where nothing is
// missing. Requires: `held` has an entry for each of the request's keys.
std::string ReplyWithHeld(const Request& request, const HeldItems& held,
                          std::string_view engine_reply, std::string client_reply,
                          const DecisionRules& rules);

}  // namespace cairn::adapter::memcache
