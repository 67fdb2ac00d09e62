// Await: the blocking form of a call that answers by a callback.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"

namespace cairn::client {

// Calls `start` with a callback and returns what that is given. Must not run in a callback of the
// library.
template <class T, class Start>
absl::StatusOr<T> Await(const Start& start) {
  absl::Notification answered;
  absl::StatusOr<T> result = absl::UnknownError("unanswered");
  start([&](absl::StatusOr<T> got) {
    result = std::move(got);
    answered.Notify();
  });
  answered.WaitForNotification();
  return result;
}

}  // namespace cairn::client
