// RawReader: the records of one node's copy of a log, as the bytes that are stored.
//
// The client library hands out decoded records from any replica; verifying wants the
// opposite, the exact bytes of a given one, so this speaks to LogService.Read itself.
// It is the one file of the tool that knows gRPC.
// Threads: not safe; Read() blocks.
#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "cairn/client.h"
#include "cairn/types.h"
#include "cli/interrupt.h"
#include "cli/raw_read.pb.h"

namespace cairn::cli {

struct RawReadOptions {
  std::string endpoint;  // "host:port".
  std::string log;
  LogId log_id;
  Seq start_seq;  // 0: the first kept one.
  Seq end_seq;    // Inclusive.
  absl::Duration timeout;
  const Interrupt* interrupt = nullptr;  // Cancels the call (kCancelled); null: nothing does.
};

// Calls `on_batch` for every batch in order; a status other than OK from it ends the read and is
// returned. Errors: the server's code and message, without ErrorInfo; kUnavailable, within ten
// seconds, when the server says nothing any more.
absl::Status ReadRaw(const ClientOptions& client, const RawReadOptions& options,
                     const std::function<absl::Status(const RawRecordBatch&)>& on_batch);

}  // namespace cairn::cli
