// Request: one command of a client of memcached, taken apart.
//
//   client's bytes ──request_parser.h──► Request ──Classify──► who answers it, in which order
//                                           └──effects.h──► what it comes to
//
// It says what the client wrote, by memcached's own reading: numbers are cut to 32 bits as there,
// a base64 key is decoded, a flag that was given twice never gets here.
//
// Lifetime: the views point into the bytes that the parser was given; OwnedRequest keeps a request
// beyond them. Threads: none; plain values.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/container/inlined_vector.h"
#include "adapter/memcache/effect.h"

namespace cairn::adapter::memcache {

enum class Verb : uint8_t {
  kGet,
  kGets,
  kGat,
  kGats,
  kSet,
  kAdd,
  kReplace,
  kAppend,
  kPrepend,
  kCas,
  kIncr,
  kDecr,
  kDelete,
  kTouch,
  kFlushAll,
  kVersion,
  kStats,
  kVerbosity,
  kQuit,
  kMetaGet,         // mg
  kMetaSet,         // ms
  kMetaDelete,      // md
  kMetaArithmetic,  // ma
  kMetaNoop,        // mn
  kMetaDebug,       // me
  kConfigGet,       // ElastiCache's `config get NAME`; keys[0] is NAME.
};

// What `ms` does with an item that is there, or not: the flag M, C taken into account.
enum class StoreMode : uint8_t { kSet, kAdd, kAppend, kPrepend, kReplace, kCas };

// The flags of a meta command that mean something to the agent. Times are as the client wrote them
// (expiry.h); nullopt: the flag was not given.
struct MetaFlags {
  bool quiet = false;                  // q
  bool returns_value = false;          // v
  bool invalidate = false;             // I
  std::optional<int32_t> ttl;          // T
  std::optional<int32_t> vivify_ttl;   // N
  std::optional<int32_t> recache_ttl;  // R
  std::optional<uint64_t> cas;         // C: a client's token, or 0.
  bool decrement = false;              // ma MD or M-
  uint64_t delta = 1;                  // D
  uint64_t initial = 0;                // J
  // `ma` only: the opaque value is longer than memcached takes, which it sees only after the item
  // has changed: the change stands, the client is told of an error.
  bool opaque_too_long = false;
  // All flags in their order, as they were written, behind the key or the length of the value;
  // one or more spaces between them. ForEachFlag takes them apart.
  std::string_view text;
};

struct Request {
  Verb verb = Verb::kGet;
  bool noreply = false;  // Of the classic commands: nothing is answered, whatever happens.
  // 1 key for most verbs; 1 or more for the verbs of `get`; none where there is no key: the classes
  // kFlush, kEngine and kAgent.
  // As written by the client, thus still in base64 if `binary`.
  absl::InlinedVector<std::string_view, 2> keys;
  bool binary = false;      // The key was given in base64 (flag b).
  std::string decoded_key;  // If `binary`.

  uint32_t client_flags = 0;
  int32_t exptime = 0;     // Seconds as the client wrote them (expiry.h); of ms and ma in `meta`.
  uint64_t cas_token = 0;  // kCas: as the client wrote it.
  uint64_t delta = 0;      // kIncr, kDecr.
  bool delayed = false;    // kFlushAll: `exptime` was given.

  StoreMode mode = StoreMode::kSet;  // Of the verbs with a value.
  std::string_view value;            // Without its line end.
  // The value is too large for an item, and was not read: it is answered with an error, but the
  // key's old item goes, as in memcached, so that nobody reads what was to be replaced.
  bool too_large = false;

  MetaFlags meta;
  // The command line without its line end, cut at the first zero byte as memcached does.
  std::string_view line;

  // The bytes of the only key, decoded. Requires: there is one key.
  [[nodiscard]] std::string_view key() const { return binary ? decoded_key : keys.front(); }
  [[nodiscard]] bool meta_command() const {
    return verb >= Verb::kMetaGet && verb <= Verb::kMetaDebug;
  }
};

// Who answers a request, and what it has to wait for.
enum class RequestClass : uint8_t {
  kRead,    // Any connection to the engine, no order but the client's own. The engine's reply goes
            // to the client, but for tokens (cas_token.h).
  kKeyed,   // Takes its turn in the order of each of its keys; then Decide() (effects.h).
  kFlush,   // flush_all: after all that was accepted before, before all that comes later.
  kEngine,  // Any connection; tells of the engine's process, not of items: version, stats.
  kAgent,   // Without the engine: mn, verbosity, config get, quit.
};
RequestClass Classify(const Request& request);

// Calls visit(key) for each key of a request, decoded, in their order.
template <class Visitor>
void ForEachKey(const Request& request, Visitor visit) {
  if (request.keys.size() == 1) return visit(request.key());
  for (const std::string_view key : request.keys) visit(key);
}

// Calls visit(flag) for each flag of a meta command, in order; `flag` is not empty.
template <class Visitor>
void ForEachFlag(std::string_view text, Visitor visit) {
  while (!text.empty()) {
    const size_t size = std::min(text.find(' '), text.size());
    if (size > 0) visit(text.substr(0, size));
    text.remove_prefix(std::min(size + 1, text.size()));
  }
}

// A request with its bytes, for a queue. One allocation.
class OwnedRequest {
 public:
  // `bytes`: those of the whole request, into which its views point.
  OwnedRequest(const Request& request, std::string_view bytes);
  OwnedRequest(OwnedRequest&&) noexcept = default;
  OwnedRequest& operator=(OwnedRequest&&) noexcept = default;

  [[nodiscard]] const Request& operator*() const { return request_; }
  [[nodiscard]] const Request* operator->() const { return &request_; }
  // Those of the whole request.
  [[nodiscard]] std::string_view bytes() const { return {bytes_.get(), size_}; }
  [[nodiscard]] size_t memory_bytes() const { return sizeof(*this) + size_; }

 private:
  std::unique_ptr<char[]> bytes_;
  size_t size_;
  Request request_;
};

}  // namespace cairn::adapter::memcache
