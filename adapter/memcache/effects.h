// From a request and the item it meets to what it comes to: pure rules, memcached 1.6.18's own.
//
//   Request ─NeededFacts─► question to the engine ─► EngineItem ─┐
//        └──────────────────────────────────────────────Decide──┴─► Decision
//   write-through: log Decision.effects, then send Decision.engine, then answer
//   write-behind:  send Decision.engine, answer, log Decision.effects
//
// An effect is a plain outcome: what add, append, incr, cas and their like come to is computed
// here, and `set` to a time that is past is a deletion. The engine's command does the same to the
// engine's item. Where the item's own time to live and soft marks must survive (append, prepend,
// incr, decr), it builds on the item, guarded by its CAS; if the engine has lost the item in the
// meantime (evicted, expired), LostItem says so, and CommandFor(effects.front()) brings the
// outcome.
//
// Soft state stays on the primary: placeholders of `mg … N` are not logged, nor is who may renew an
// item; an invalidated item (md … I, ms … I with an old token) is deleted for everybody else, so
// that no failover brings it back as fresh.
//
// What is not memcached's to the letter, and why:
//   - numbers that get shorter, and grown values under base64 keys, are stored anew (effects.cc
//     says why), after which `mg` tells by h and l of an item that was not used yet;
//   - padding of a number that got shorter follows from the item alone; in memcached also from
//     whether somebody else is just reading it;
//   - a number whose value has 2^63 or more and a '-' somewhere behind it: memcached looks beyond
//     the item for it, here only within.
//
// Order: the caller holds the order of all keys of a request from the question to the engine's
// reply. Threads: none; pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adapter/memcache/cas_token.h"
#include "adapter/memcache/effect.h"
#include "adapter/memcache/engine_command.h"
#include "adapter/memcache/engine_item.h"
#include "adapter/memcache/expiry.h"
#include "adapter/memcache/item_size.h"
#include "adapter/memcache/request.h"

namespace cairn::adapter::memcache {

// Of a request of the class kKeyed or kFlush.
Facts NeededFacts(const Request& request);

struct DecisionRules {
  EngineClock clock;
  CasTokens tokens = CasTokens::Plain();
  ItemSizeRule item_size;
};

// What the client is told once the engine has done its part.
enum class ReplyForm : uint8_t {
  kFixed,    // Decision::reply, whatever the engine says.
  kEngine,   // The engine's reply as it is, but for passed_line.h.
  kStored,   // STORED, or the line of ms with its flags.
  kDeleted,  // DELETED or NOT_FOUND, or the line of md with its flags.
  kNumber,   // The new number, or the line of ma with its flags.
};

struct Decision {
  // To be logged together, in this order; empty: the request changes nothing that is logged.
  std::vector<Effect> effects;
  // Nullopt: the engine has no part in it. Points into the request.
  std::optional<EngineCommand> engine;
  ReplyForm form = ReplyForm::kFixed;
  std::string reply;  // kFixed: with its line end, or empty.

  // kNumber: what the reply is made of.
  std::string number;
  UnixSeconds number_expires_at = 0;  // Before the flag T.
  bool created = false;
  // The engine's command needs the item that the decision was made by.
  bool builds_on_item = false;
};

// `item`: what NeededFacts asked for; ignored for kNothing. Requires: the class is kKeyed or
// kFlush.
Decision Decide(const Request& request, const std::optional<EngineItem>& item,
                const DecisionRules& rules);

// The engine has not the item any more that the command builds on: send
// CommandFor(decision.effects.front(), …) and take its reply instead.
bool LostItem(const Decision& decision, std::string_view engine_reply);

// The client's bytes, maybe none. `engine_reply`: the whole reply to decision.engine, or to what
// was sent in its place; empty if there is none. Who wants to pass large values of kEngine on as
// they come does so by ReplyParser, Silenced and CasTokens::AppendForClient.
std::string ClientReply(const Request& request, const Decision& decision,
                        std::string_view engine_reply, const DecisionRules& rules);

// The answer to `mn` and `verbosity`, with its line end; may be empty.
std::string AgentReply(const Request& request);

}  // namespace cairn::adapter::memcache
