// Options as programs give them: structs that begin with their size, of an older or newer header.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cairn/types.h"
#include "fmt/format.h"

namespace cairn::c {

// `given` over `defaults`, which is what the header's …_INIT says; null: the defaults. `first_size`
// is the struct's size in the first header that had it: nobody can have a smaller one.
template <class T>
absl::StatusOr<T> ReadOptions(const T* given, const T& defaults, size_t first_size = sizeof(T)) {
  if (given == nullptr) return defaults;
  if (given->size < first_size) {
    return absl::InvalidArgumentError(fmt::format(
        "the size of the options is {}: initialise them with their _INIT macro", given->size));
  }
  T options = defaults;
  std::memcpy(&options, given, std::min(given->size, sizeof(T)));
  const auto* const bytes = reinterpret_cast<const char*>(given);
  if (given->size > sizeof(T) &&
      std::any_of(bytes + sizeof(T), bytes + given->size, [](char byte) { return byte != 0; })) {
    return absl::InvalidArgumentError(
        "the options have a field that this version does not know: install the library that the "
        "program was built with");
  }
  return options;
}

inline std::string Text(const char* text) { return text == nullptr ? "" : text; }

// 0: `otherwise`. A day is as good as for ever.
inline absl::Duration Millis(uint64_t ms, absl::Duration otherwise = absl::ZeroDuration()) {
  constexpr uint64_t kDayMs = 86'400'000;
  return ms == 0 ? otherwise : absl::Milliseconds(static_cast<int64_t>(std::min(ms, kDayMs)));
}

}  // namespace cairn::c
