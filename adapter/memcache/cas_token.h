// CasTokens: the CAS tokens that clients see, and which of them still mean something.
//
// An engine numbers its items' versions from 1 on, anew with each start. Its bare number is no
// token for a cache that outlives engines: a token of the last engine sooner or later equals a
// number of the next one, and `cas` would overwrite what its client has never seen. So a client's
// token also says whose number it is:
//
//   bit 63       0: some clients read tokens into a signed 64-bit integer
//   bit 62       1: no smaller number is a token
//   bits 61..47  epoch of the lease under which it was given, modulo 2^15
//   bits 46..42  life of the engine within the epoch, modulo 2^5
//   bits 41..0   the engine's number, modulo 2^42
//
// This is exact, not a matter of chance: within an epoch there is one agent, within a life one
// engine, within an engine a number belongs to one version of one item. A token of another origin
// equals a current one only if it is older by a whole multiple of 32768 epochs (or of 32 engine
// lives within the same epoch, or of 2^42 = 4.4 * 10^12 changes of the same engine) *and* falls on
// the number of that very item: at a failover each minute, a client must have kept it for 22 days,
// and then still meet the number. Nothing is random, so nothing can collide earlier.
//
// Numbers that were never tokens behave as in memcached: 0 matches no item, and where
// memcached takes it for "any" (`ma`, appending `ms`) it is that; any other number that is not the
// item's token is EXISTS.
//
// Engines with the meta flag E (1.6.25 and later) need none of this: the item's CAS is the seq of
// its record, the same on every engine. CasTokens::Plain() passes numbers as they are.
//
// Threads: immutable after construction.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cairn::adapter::memcache {

class CasTokens {
 public:
  // The engine's numbers are the clients' tokens.
  static CasTokens Plain() { return CasTokens(); }
  // `engine_life`: how many engines this epoch has had before.
  CasTokens(uint64_t epoch, uint64_t engine_life);

  // The client's token for an engine's number; 0 stays 0.
  [[nodiscard]] uint64_t ToClient(uint64_t engine_cas) const;

  // Whether the item with this number is the one that the token was given for.
  [[nodiscard]] bool Matches(uint64_t token, uint64_t engine_cas) const {
    return token != 0 && token == ToClient(engine_cas);
  }

  // Whether the token was given under this epoch and life, for an older version than engine_cas:
  // what `ms` with C and I asks for.
  [[nodiscard]] bool IsOlder(uint64_t token, uint64_t engine_cas) const;

  // Adds `line`, a line of an engine's reply with its end, with clients' tokens to `out`: those of
  // VALUE lines with four fields, of the flag c of HD and VA lines, and `cas=` of ME lines. All
  // other lines as they are.
  void AppendForClient(std::string_view line, std::string* out) const;

  // False: lines need no rewriting.
  [[nodiscard]] bool rewrites() const { return tag_ != 0; }

 private:
  CasTokens() = default;

  uint64_t tag_ = 0;  // The bits above the number; 0: plain.
};

}  // namespace cairn::adapter::memcache
