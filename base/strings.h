// Bridges between std::string_view and abseil's.
//
// Debian builds abseil with a string_view type of its own, which does not convert to or from
// std::string_view. Our interfaces speak std::string_view only; text is put together with
// fmt::format. These two are for the calls into abseil (Status messages and payloads).
#pragma once

#include <string_view>

#include "absl/strings/string_view.h"

namespace cairn {

inline absl::string_view ToAbsl(std::string_view s) { return {s.data(), s.size()}; }
inline std::string_view ToStd(absl::string_view s) { return {s.data(), s.size()}; }

}  // namespace cairn
