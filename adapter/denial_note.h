// DenialNote: a line of the log when a call lacks a right, or its token is not known any more. What
// is refused is tried again several times a second, and an operator has to hear of it and not of
// each time: the same sentence comes once a minute.
//
// Threads: one at a time. Lifetime: its owner's.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "base/clock.h"

namespace cairn::adapter {

class DenialNote {
 public:
  // `what` begins the line. Other failures, and successes, are no business of this.
  void Note(const char* what, const absl::Status& status);

 private:
  std::string said_;
  MonoMicros said_us_ = 0;
};

}  // namespace cairn::adapter
