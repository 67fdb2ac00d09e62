// Interrupt: Ctrl-C and SIGTERM as a flag that commands poll or wait for.
//
// The first signal asks the command to finish what it has begun, flush and end
// with 130; a second one ends the process at once, for when the first cannot be
// obeyed.
// Threads: Requested() and Wait() from any thread. Lifetime: one for the process,
// from before the first thread starts to the end.
#pragma once

#include "absl/time/time.h"

namespace cairn::cli {

class Interrupt {
 public:
  // Installs the handlers. Requires: no other Interrupt lives.
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  [[nodiscard]] bool Requested() const;
  // Blocks until a signal arrives or `timeout` has passed. True: a signal has arrived.
  bool Wait(absl::Duration timeout) const;
  // Readable once a signal has arrived; for poll(2) beside other descriptors.
  [[nodiscard]] int fd() const;
};

}  // namespace cairn::cli
