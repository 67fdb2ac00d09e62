// Histories as text, so that a failing one can be kept in a file, read, shortened by hand and
// checked again. One operation a line:
//
//   log 7 fenced last_seq=4 chain=00c0ffee00c0ffee lease=A@3
//   10..25 c1 append x y if_last_seq=4 epoch=3 -> ok 5..6 chain=[a b c d x y]
//   12..   c2 append "z 1" -> unknown
//   30..41 c3 append q if_last_seq=2 -> CONDITION_FAILED last_seq=6
//   30..41 c3 read -> ok last_seq=6 chain=0123456789abcdef lease=A@3
//   50..60 c4 acquire B if_last_seq=6 -> ok epoch=8 last_seq=8
//   50..60 c5 acquire C -> LEASE_HELD lease=A@3
//   61..70 c4 renew 8 -> ok
//   61..70 c1 renew 3 -> LEASE_LOST lease=B@8
//   71..80 c4 transfer 8 D -> ok epoch=9
//   81..90 c4 release 9 -> refused
//   committed from 7
//   7 expired A epoch=3 chain=…
//   8 acquired B chain=…
//
// A payload or a holder that is not made of letters, digits, '_' and '-' stands in quotes, with \",
// \\ and \xHH. A chain is 16 hexadecimal digits, or the payloads that it covers: [a b]. A free
// lease is `free`; a holder that is not known is left out (lease=@3). A record's
// chain may be left out by hand. `#` begins a comment; the first line stands before all others.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/history/history_types.h"

namespace cairn::history {

// Errors: kInvalidArgument naming the line and what was expected there.
absl::StatusOr<History> ParseHistory(std::string_view text);

// ParseHistory(FormatHistory(h)) == h, but for the end of unanswered operations.
std::string FormatHistory(const History& history);

// One line of it, without a line end.
std::string FormatOperation(const Operation& operation);
std::string FormatRecord(const CommittedRecord& record);

// The chain after records of these payloads only, from a new log on.
uint64_t ChainOf(GroupId log_id, const std::vector<std::string>& payloads);

}  // namespace cairn::history
