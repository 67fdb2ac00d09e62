// ExitCode: what the process says to the script that called it.
//
// The numbers are part of the tool's interface (docs/cli.md lists them) and never
// change their meaning. Each stands for one next step of the caller, as the gRPC
// codes of the API do: look at the log again (3), name something that exists (4),
// find out by an idempotent retry (5), try again later (6).
#pragma once

namespace cairn::cli {

enum class ExitCode : int {
  kOk = 0,
  kError = 1,
  // The command line is wrong; nothing was sent.
  kUsage = 2,
  // A condition, a lease or a guard said no; nothing was done.
  kConditionFailed = 3,
  // No such log, position or lease.
  kNotFound = 4,
  // The outcome is unknown: it may or may not have been done.
  kUnknownOutcome = 5,
  // No leader, no quorum, overloaded or full; nothing was done.
  kUnavailable = 6,
  // Stored data contradicts its checksums.
  kDataLoss = 7,
  // The credentials are missing or lack the right.
  kDenied = 8,
  // Ended by Ctrl-C or SIGTERM after flushing what had been received.
  kInterrupted = 130,
};

}  // namespace cairn::cli
