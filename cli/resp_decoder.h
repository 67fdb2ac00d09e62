// RespDecoder: reads Redis commands out of record payloads, for `tail -o resp`.
//
// Input is what a Redis or Valkey primary streams to its replicas: RESP arrays of
// bulk strings ("*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n") and inline commands ("PING\r\n").
// A command may reach over the end of one record into the next; where the pieces
// end makes no difference.
//
// Threads: not safe. Bounds: a command above 64 MiB or 1 Mi arguments is an error, so
// what is buffered is bounded. After an error the decoder starts afresh with the
// next Feed, so that one foreign record does not hide the rest of the log.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace cairn::cli {

using RespCommand = std::vector<std::string>;

class RespDecoder {
 public:
  // Adds to `commands` those that `bytes` completes, in order; empty lines and empty arrays are
  // skipped, as Redis does. Errors: kInvalidArgument saying what was found instead of what; the
  // commands before the error are in `commands`.
  absl::Status Feed(std::string_view bytes, std::vector<RespCommand>& commands);

  // Bytes of a begun command.
  [[nodiscard]] size_t pending_bytes() const { return pending_.size(); }

 private:
  std::string pending_;
};

// One command on one line as redis-cli would take it: SET key "a b\r\n".
std::string FormatRespCommand(const RespCommand& command);

}  // namespace cairn::cli
