// The commands that move records, one source file each, and what they share.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "cairn/types.h"
#include "cli/commands.h"

namespace cairn::cli {

Runner DeclareAppend(CLI::App& app);  // append_command.cc
Runner DeclareRead(CLI::App& app);    // read_command.cc
Runner DeclareTail(CLI::App& app);    // tail_command.cc

// Where reading begins: "first", "next" (tail only), a seq, or "@" and a time.
struct Position {
  enum class Kind { kFirst, kNext, kSeq, kTimestamp };
  Kind kind = Kind::kFirst;
  Seq seq;
  int64_t timestamp_us = 0;
};
// Errors: kInvalidArgument, saying the forms.
absl::StatusOr<Position> ParsePosition(const std::string& text);

// "NAME:EPOCH" of --lease.
struct LeaseRef {
  std::string name;
  Epoch epoch;
};
absl::StatusOr<LeaseRef> ParseLeaseRef(const std::string& text);

// "key=value" texts. Errors: kInvalidArgument for one without "=", or a key given twice.
absl::StatusOr<RecordMetadata> ParseMetadata(const std::vector<std::string>& texts);

}  // namespace cairn::cli
