// The words of which the marks of records are made (memcache/record_mark.h, redis/stream_mark.h).
//
// A *run* is what is too large for one record: its records are counted from 1, and say whether they
// are the first of it, the last, or in the middle:
//
//   run=<number>/first|middle|last
//
// Threads: none; pure functions.
#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

namespace cairn::adapter {

enum class RunPart : uint8_t { kNone, kFirst, kMiddle, kLast };

// False: it is none, or does not end there.
template <class Number>
bool ParseNumber(std::string_view text, Number* number) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, *number);
  return error == std::errc() && stop == end && !text.empty();
}

// Takes what is before `delimiter`, and the delimiter.
std::string_view TakeUntil(char delimiter, std::string_view* rest);

// The place in a run; false: it is none.
bool ParseRun(std::string_view text, RunPart* part, uint64_t* number);
// Requires: part is not kNone.
std::string RunText(RunPart part, uint64_t number);

}  // namespace cairn::adapter
