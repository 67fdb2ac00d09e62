// Commands whose replies clients get as the engine gives them, and what of that is changed after
// all.
//
//   Request ──PlainLine──► engine ──ReplyParser──► lines ──AppendPassedLine──► client
//                                               └─► bytes of values, as they are ──┘
//
// The commands are written anew, so that the engine cannot read them in another way than the parser
// did: short, and never quiet, so that each has a reply. The engine is never made to repeat a key
// that came in base64: memcached 1.6.18 forgets here and there (`mg … N`, growing items) that a key
// is binary, and then writes its bare bytes into its lines, ends of lines among them.
//
// Threads: none; pure functions.
#pragma once

#include <string>
#include <string_view>

#include "adapter/memcache/cas_token.h"
#include "adapter/memcache/effect.h"
#include "adapter/memcache/request.h"

namespace cairn::adapter::memcache {

// The line to send for a request of the class kRead or kEngine, with its line end.
std::string PlainLine(const Request& request);

// `mg` without its line end; the time of its flag T is absolute, as of `now`.
std::string MetaGetLine(const Request& request, UnixSeconds now);

// Whether the client asked not to hear this line: EN after q, and anything after noreply.
bool Silenced(const Request& request, std::string_view engine_line);

// Adds what the client gets for a line of the engine's reply, its line end included, to `out`: with
// clients' CAS tokens, and the key where it was asked for; nothing if it is Silenced.
void AppendPassedLine(const Request& request, const CasTokens& tokens, std::string_view line,
                      std::string* out);

}  // namespace cairn::adapter::memcache
