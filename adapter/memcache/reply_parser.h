// ReplyParser: finds where each reply of an engine ends, given what was asked.
//
//   engine's bytes ──Next──► lines and bytes of values ──► the client, an EngineItem, or a reply
//
// Replies have no common form; which one is due follows from the command. Keeps no bytes: a piece
// is a view of the input. Lines come whole, so that tokens in them can be rewritten (cas_token.h);
// values pass in the pieces in which they came, so that a reply of any size needs no more room than
// a line.
//
// Where a reply ends decides which client gets which bytes, so everything that is not due is an
// error, not a guess. After an error the connection must be closed, and all replies still due on it
// are unknown.
//
// Threads: of one connection. Bounds: a line is at most kMaxLineBytes long.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/memcache/request.h"

namespace cairn::adapter::memcache {

enum class ReplyKind : uint8_t {
  kLine,       // One line: STORED, TOUCHED, OK, VERSION …, a number, an error.
  kValues,     // VALUE blocks, then END; or one line with an error.
  kMeta,       // One line of a meta command; with a value behind it if it begins with VA.
  kMetaGroup,  // Replies of meta commands, as many as there are (some were quiet), then MN.
  kStats,      // Lines of STAT, ITEM or PREFIX, then END; or one line.
};

// The kind of the engine's reply if the request's own line is sent. kMeta for quiet commands, too:
// they must be sent without q, or in a group that `mn` ends (kMetaGroup).
// Requires: the class is kRead, kKeyed, kFlush or kEngine.
ReplyKind ReplyKindOf(const Request& request);

struct ReplyPiece {
  std::string_view bytes;
  bool line = false;  // A whole line with its end; otherwise bytes of a value and its line end.
  bool ends = false;  // It is the reply's last.
};

class ReplyParser {
 public:
  static constexpr size_t kMaxLineBytes = 64 << 10;

  // Takes from the front of `input` the next piece of the reply that is due. nullopt: a line is not
  // whole yet; nothing was taken. `kind` stays the same until the piece that ends the reply.
  // Errors: kInvalidArgument, for ever.
  absl::StatusOr<std::optional<ReplyPiece>> Next(ReplyKind kind, std::string_view* input);

  // No reply is open.
  [[nodiscard]] bool idle() const { return !open_; }

 private:
  absl::StatusOr<std::optional<ReplyPiece>> TakeLine(ReplyKind kind, std::string_view* input);
  absl::StatusOr<ReplyPiece> TakeValue(ReplyKind kind, std::string_view* input);
  absl::Status JudgeLine(ReplyKind kind, std::string_view line, bool* ends);
  absl::Status ExpectValue(std::string_view digits);
  absl::Status Fail(std::string_view what, std::string_view line);

  bool open_ = false;
  uint64_t value_left_ = 0;  // Of the value being passed, its line end included.
  absl::Status status_;
};

}  // namespace cairn::adapter::memcache
