// How errors are carried inside the client: ErrorInfo as a payload of absl::Status, and the mark
// that tells an unknown outcome from a refusal.
//
// The mark is put on by whoever knows that a request left and that its fate is open: the retrying
// call (core.cc), the producer and the lease keeper. Nobody guesses it from a code.
//
// Threads: free functions, any thread.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "cairn/error.h"
#include "cairn/v1/error.pb.h"

namespace cairn::client {

// The status that a server's refusal stands for. `code` is the gRPC code of the refusal; OK is
// turned into kUnknown, since a refusal is never a success.
absl::Status RefusalStatus(int code, std::string_view message, const v1::ErrorInfo& info);

// The status of a call that ended with `code`; `details` is the serialized google.rpc.Status of
// the trailer, empty when there was none. A transport error has no ErrorInfo.
absl::Status StatusFromTrailer(int code, std::string_view message, std::string_view details);

// The same status, marked as an unknown outcome. OK stays OK.
absl::Status MarkUnknown(absl::Status status);

// The same status, marked as certainly never sent: the transport found no connection for it.
absl::Status MarkNeverSent(absl::Status status);
bool WasNeverSent(const absl::Status& status);

// The same status, with the id of the call that it ended (cairn/request_id.h).
absl::Status NameRequest(absl::Status status, std::string_view request_id);

// True if a server judged the request, so that its outcome is certain. (A server's own
// OUTCOME_UNKNOWN is no judgement.)
bool IsRefusal(const absl::Status& status);

}  // namespace cairn::client
