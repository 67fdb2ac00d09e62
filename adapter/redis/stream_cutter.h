// StreamCutter: cuts an engine's replication stream into units, each of which is applied as a
// whole.
//
//   engine (PSYNC) ──bytes──► StreamCutter ──pieces──► RecordBuilder ──records──► log
//
// A unit is one command, or all from MULTI to EXEC. The cutter keeps no bytes of it: a piece is a
// view of the input, and a unit of any size passes in the pieces in which it came. It counts
// offsets as the engine does, and knows which database is selected.
//
// Between units the engine sends what is meant for the connection only: PING, and REPLCONF GETACK.
// These are told as dropped: their bytes count for offsets, and go into no record. They have less
// than 64 bytes, or are no commands.
//
// Threads: of one stream. Errors: kInvalidArgument, with the offset, when the bytes are not
// commands; for ever.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "adapter/redis/reply_scanner.h"

namespace cairn::adapter::redis {

// Bytes of one unit.
struct StreamPiece {
  std::string_view bytes;
  bool begins_unit = false;
  bool ends_unit = false;
  bool dropped = false;     // With ends_unit: the unit is for the connection only.
  uint64_t end_offset = 0;  // Behind these bytes.
  uint32_t db_before = 0;   // Selected before the unit.
};

class StreamCutter {
 public:
  // `offset`: behind the last byte before the stream; `db`: selected there, 0 after a full resync.
  StreamCutter(uint64_t offset, uint32_t db) : offset_(offset), db_(db), unit_db_(db) {}

  // Takes from the front of `input` what belongs to one unit, at most to its end. Requires: `input`
  // is not empty.
  absl::StatusOr<StreamPiece> Next(std::string_view* input);

  // Behind the last byte taken, and the database selected there.
  [[nodiscard]] uint64_t offset() const { return offset_; }
  [[nodiscard]] uint32_t db() const { return db_; }
  // Commands that have deleted everything, so far.
  [[nodiscard]] uint64_t flushes() const { return flushes_; }
  // No unit is open.
  [[nodiscard]] bool idle() const { return !open_; }

 private:
  enum class Command { kOther, kMulti, kExec, kForConnection };

  absl::Status TakeCommandBytes(std::string_view* input);
  absl::StatusOr<Command> JudgeCommand();
  [[nodiscard]] absl::StatusOr<Command> ForConnection() const;
  absl::Status NotACommand() const;

  // More than the first two arguments of any command that matters here.
  static constexpr size_t kHeadBytes = 64;

  ReplyScanner scanner_;  // A command has the form of a reply: an array of bulk strings.
  bool command_ended_ = false;
  std::array<char, kHeadBytes> head_{};
  size_t head_size_ = 0;

  uint64_t offset_;
  uint32_t db_;
  uint64_t flushes_ = 0;
  bool open_ = false;
  bool in_transaction_ = false;
  uint32_t unit_db_;
  absl::Status status_;
};

}  // namespace cairn::adapter::redis
