// RequestParser: cuts what a client sends into requests, by the reading of memcached 1.6.18.
//
//   client's bytes ──Parse──► Request, or the very bytes that memcached answers to what is none
//
// Text and meta commands, in pieces of any size, pipelined in any number. A client must not be able
// to tell this parser from memcached, malformed input included: which error, in which words,
// whether "noreply" silences it, how much is thrown away after it, and when the connection ends.
//
// Where memcached itself depends on how the bytes arrive, so does this parser: a line of more than
// 2048 bytes passes if its end is there already, and else closes the connection, unless it begins
// like a "get". An HTTP request closes the connection without a word. Differences, all wanted:
//   - the binary protocol is answered with an ERROR line, and closes;
//   - `config get NAME` is a command;
//   - commands that administrate the engine are refused with the words that memcached has for
//     "switched off": it is the agent who runs the engine;
//   - `me` of a base64 key with a line feed in it is a bad command line;
//   - `gat` with a key that is too long changes nothing (memcached touches the keys before it), and
//     a line of `gat` or `stats` above 2048 bytes always closes.
//
// Bounds: nothing is kept but a few numbers: the caller's buffer holds what is not done yet. A line
// is at most max_line_bytes long. A value that no item can hold (item_size.h) is never asked for:
// it is skipped as it comes.
//
// Threads: of one connection. Lifetime: the request's views point into the bytes given to Parse.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "adapter/memcache/item_size.h"
#include "adapter/memcache/request.h"

namespace cairn::adapter::memcache {

class RequestParser {
 public:
  struct Options {
    ItemSizeRule item_size;
    // Of a "get" with many keys, which memcached does not bound.
    size_t max_line_bytes = size_t{1} << 20;
  };

  enum class Outcome : uint8_t {
    kNeedMore,  // `wanted` says how many bytes there must be.
    kRequest,   // `request` is whole.
    kRejected,  // No request: `reply` goes to the client.
  };

  struct Result {
    Outcome outcome = Outcome::kNeedMore;
    // From the front of the bytes: not to be given again. May be above 0 with kNeedMore, too, while
    // a value is skipped; of kRequest, the bytes of the request.
    size_t consumed = 0;
    // kNeedMore: Parse has nothing new to say before that many bytes (those consumed not counted)
    // are there; 1 more than there are if the end is not known. Never above what one request may
    // take: a line, or a line and a value.
    size_t wanted = 0;
    Request request;     // kRequest.
    std::string reply;   // kRejected: with its line end; empty if nothing is to be said.
    bool close = false;  // kRejected: the connection ends, after the reply.
  };

  RequestParser() : RequestParser(Options()) {}
  explicit RequestParser(const Options& options) : options_(options) {}

  // What stands at the front of `bytes`: all that came and was not consumed. After `close` there is
  // nothing more to parse.
  Result Parse(std::string_view bytes);

  // Bytes of a rejected value that are still to be skipped.
  [[nodiscard]] uint64_t skipping_bytes() const { return skip_; }

 private:
  Result Skip(std::string_view bytes);
  Result WithoutLineEnd(std::string_view bytes);
  Result ParseLine(std::string_view bytes, size_t line_bytes);
  Result TakeValue(std::string_view bytes, size_t line_bytes, size_t value_bytes, Request request);

  const Options options_;
  bool first_ = true;         // Nothing was parsed yet: the protocol is not known.
  uint64_t skip_ = 0;         // Of a value that nobody wants.
  size_t searched_ = 0;       // No line end in so many bytes at the front.
  size_t pending_bytes_ = 0;  // Of the request at the front, whose line was read; 0: not known.
};

}  // namespace cairn::adapter::memcache
