// Request ids: the name of one call, by which lines in the logs of several processes are found
// together.
//
// A caller sends its own in the metadata kRequestIdHeader; a node that gets none, or one that is
// not well-formed, makes one (server/rpc/request_id.h).
//
// Threads: any.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace cairn {

inline constexpr char kRequestIdHeader[] = "cairn-request-id";
inline constexpr size_t kMaxRequestIdBytes = 64;

// 1 … kMaxRequestIdBytes letters, digits or any of . _ - : what every log and every label takes
// as it is.
[[nodiscard]] bool IsRequestId(std::string_view text);

// 64 random bits in 16 hexadecimal digits.
[[nodiscard]] std::string MakeRequestId();

}  // namespace cairn
