// The id of a call: by it the nodes' logs name the call, and an error here the lines there.
//
// The library makes one for each call; it is the same in all of the call's tries. A stream (of a
// Producer, a Tailer, a LeaseKeeper) is one call.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace cairn {

// The id of the call that `status` ended; empty when nothing was sent.
[[nodiscard]] std::string GetRequestId(const absl::Status& status);

}  // namespace cairn
