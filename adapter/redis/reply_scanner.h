// ReplyScanner: finds where each top-level reply of an engine ends, without building it.
//
//   engine's bytes ──Next──► pieces of replies ──► the client that asked, or the reply's hold
//
// Understands RESP2 and RESP3: nested arrays, maps, sets, pushes, attributes (which stand before
// the reply that they belong to, and are part of it here), blob errors, verbatim strings. Keeps no
// bytes: what a piece says is a view of the input, and a reply of any size passes in the pieces in
// which it came.
//
// Where a reply ends decides which client gets which bytes, so everything else than a reply is an
// error, not a guess: an unknown type, a length that is none, a string longer than its length, a
// nesting deeper than kMaxDepth, and the streamed forms of RESP3 ("$?"), which no engine sends.
// After an error the connection must be closed, and all replies still due on it are unknown.
//
// Threads: of one connection. Bounds: 16 bytes for each open level.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace cairn::adapter::redis {

enum class ReplyType : char {
  kSimple = '+',
  kError = '-',
  kInteger = ':',
  kBulk = '$',
  kArray = '*',
  kNull = '_',
  kBoolean = '#',
  kDouble = ',',
  kBigNumber = '(',
  kBlobError = '!',
  kVerbatim = '=',
  kMap = '%',
  kSet = '~',
  kPush = '>',
  kAttribute = '|',
};

// Bytes of one top-level reply.
struct ReplyPiece {
  std::string_view bytes;
  bool begins = false;
  bool ends = false;
  // Of the reply itself; kAttribute while only attributes of it have come.
  ReplyType type = ReplyType::kNull;
  // "_", "$-1" or "*-1". Final once the reply ends.
  bool null = false;

  [[nodiscard]] bool error() const {
    return type == ReplyType::kError || type == ReplyType::kBlobError;
  }
  [[nodiscard]] bool push() const { return type == ReplyType::kPush; }
};

class ReplyScanner {
 public:
  // Lua may nest some thousand tables in a reply.
  static constexpr size_t kMaxDepth = 8192;

  // Takes from the front of `input` what belongs to one reply, at most to that reply's end.
  // Requires: `input` is not empty. Errors: kInvalidArgument, for ever.
  absl::StatusOr<ReplyPiece> Next(std::string_view* input);

  // No reply is open.
  [[nodiscard]] bool idle() const { return !open_; }

 private:
  enum class State : uint8_t { kType, kLine, kLength, kLengthEnd, kBytes, kCr, kLf };
  struct Level {
    uint64_t left;  // Elements.
    bool attribute;
  };

  const char* Scan(const char* at, const char* end);
  const char* ScanLength(const char* at, const char* end);
  const char* Begin(const char* at);
  void TakeLength();
  void Open(uint64_t elements, bool attribute);
  void ElementDone();
  const char* Fail(std::string_view what);

  State state_ = State::kType;
  bool open_ = false;
  bool done_ = false;      // The top-level reply has just ended.
  char element_ = 0;       // Type of the element being read.
  bool negative_ = false;  // Of the length being read.
  uint8_t digits_ = 0;
  uint64_t length_ = 0;  // The length so far, then the bytes of a string that are missing.
  ReplyType type_ = ReplyType::kNull;
  bool null_ = false;
  std::vector<Level> levels_;
  absl::Status status_;
};

}  // namespace cairn::adapter::redis
