// Errors: one sentence that says what happened and what to do next, and the exit
// code that goes with it.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "cli/exit_code.h"
#include "cli/view.h"

namespace cairn::cli {

// A failed command, as it is shown: text on stderr, or this object with `-o json`.
struct Failure {
  ExitCode exit_code = ExitCode::kError;
  std::string reason;   // "CONDITION_FAILED", …, or the status code's name.
  std::string message;  // What happened.
  std::string advice;   // What to do next; empty when the message says it.
  // Names the call in the nodes' logs; empty when none was sent.
  std::string request_id{};

  template <class F>
  void Fields(F&& field) const {
    field("exit_code", static_cast<int>(exit_code));
    field("reason", reason);
    field("message", message);
    field("advice", advice);
    field("request_id", request_id);
  }
};

// Requires: !status.ok().
Failure ToFailure(const absl::Status& status);

// "cairn: message; advice. (request ID)"
std::string FormatFailure(const Failure& failure);

}  // namespace cairn::cli
