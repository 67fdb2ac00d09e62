#include "cli/interrupt.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "base/check.h"

namespace cairn::cli {
namespace {

// A signal handler can reach nothing but globals.
std::atomic<bool> requested{false};
std::atomic<int> event_fd{-1};

// Async-signal-safe: an atomic flag, write(2) and _exit(2) only.
void OnSignal(int) {
  if (requested.exchange(true)) ::_exit(130);
  const uint64_t one = 1;
  const ssize_t ignored = ::write(event_fd.load(), &one, sizeof one);
  static_cast<void>(ignored);
}

void Handle(int signal_number, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  CHECK_EQ(::sigaction(signal_number, &action, nullptr), 0);
}

}  // namespace

Interrupt::Interrupt() {
  CHECK_EQ(event_fd.load(), -1);
  event_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  CHECK_GE(event_fd.load(), 0);
  Handle(SIGINT, OnSignal);
  Handle(SIGTERM, OnSignal);
}

Interrupt::~Interrupt() {
  Handle(SIGINT, SIG_DFL);
  Handle(SIGTERM, SIG_DFL);
  ::close(event_fd.exchange(-1));
  requested = false;
}

bool Interrupt::Requested() const { return requested; }

int Interrupt::fd() const { return event_fd; }

bool Interrupt::Wait(absl::Duration timeout) const {
  pollfd poller{.fd = event_fd, .events = POLLIN, .revents = 0};
  const int64_t timeout_ms = std::clamp<int64_t>(
      absl::ToInt64Milliseconds(absl::Ceil(timeout, absl::Milliseconds(1))), 0, INT32_MAX);
  // An interrupted poll was interrupted by our own signal, which has set the flag.
  ::poll(&poller, 1, static_cast<int>(timeout_ms));
  return Requested();
}

}  // namespace cairn::cli
