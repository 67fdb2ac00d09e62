// DenialNote: a line of the log when a call lacks a right, or its token is not known any more: each
// sentence once, until another takes its place or the call succeeds. What is refused is tried
// again many times a second, and an operator has to hear of it and not of each time.
//
// Threads: one at a time. Lifetime: its owner's.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace cairn::adapter {

class DenialNote {
 public:
  // `what` begins the line: "the lease". Any other failure is no business of this, and ends
  // nothing: a cluster that does not answer has not changed its mind.
  void Note(const char* what, const absl::Status& status);

 private:
  std::string said_;
};

}  // namespace cairn::adapter
