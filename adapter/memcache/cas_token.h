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
// Engines with the meta flag E (1.6.25 and later) are told the number of each item that the log
// has: where the effect that stored it stands there. It is the same on every engine, and never
// given twice, so a client's token is the number itself, and means something for as long as the
// item lives, whoever is the primary:
//
//   bit 62       0
//   bit 61       1: neither an engine's own number nor a token as above has it so
//   bits 60..20  seq of the record, modulo 2^41
//   bits 19..0   index of the effect there (a record has fewer: effect_codec.h, record_builder.h)
//
// What such an engine numbers by itself all the same (placeholders of `mg … N`; all of a
// write-behind primary's changes, whose seq is not known in time) gets a token as above.
//
// Numbers that were never tokens behave as in memcached: 0 matches no item, and where
// memcached takes it for "any" (`ma`, appending `ms`) it is that; any other number that is not the
// item's token is EXISTS.
//
// Threads: immutable after construction.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cairn::adapter::memcache {

class CasTokens {
 public:
  // In place of an engine's number: the item is not in the engine, and its token matches nothing.
  static constexpr uint64_t kUnnumbered = uint64_t{1} << 42;

  // The number of the item that the effect at `index` of the record `seq` has stored.
  static uint64_t Logged(uint64_t seq, uint32_t index);
  // The engine's numbers are the clients' tokens.
  static CasTokens Plain() { return CasTokens(); }
  // `engine_life`: how many engines this epoch has had before.
  CasTokens(uint64_t epoch, uint64_t engine_life);

  // The client's token for an engine's number; 0 stays 0, and so does a Logged one.
  [[nodiscard]] uint64_t ToClient(uint64_t engine_cas) const;

  // Whether the item with this number is the one that the token was given for.
  [[nodiscard]] bool Matches(uint64_t token, uint64_t engine_cas) const {
    return token != 0 && token == ToClient(engine_cas);
  }

  // Whether the token is known to be that of an older version than engine_cas: given under this
  // epoch and life, or both are Logged. What `ms` with C and I asks for.
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
