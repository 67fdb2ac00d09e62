// GroupCalls: what a thread that may block asks of groups of its own node: requests, and a stretch
// of committed records.
//
// Each call waits until the group has answered for good, since the group knows this object by its
// address; a call that comes after Abandon, or under it, gives up with CANCELLED.
//
// Threads: calls from one thread at a time, of those given; Abandon from any. Lifetime: port, clock
//   and threads outlive it. Bounds: Collect holds what it was told to read, and one entry more.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "base/threads.h"
#include "server/group_events.h"
#include "storage/archive/run_bytes.h"

namespace cairn::server {

class GroupPort {
 public:
  virtual ~GroupPort() = default;
  virtual void PostUrgent(GroupId group, Event event) = 0;
};

class GroupCalls : private ReplySink, private TailSink {
 public:
  GroupCalls(GroupPort* port, const Clock* clock, Threads* threads)
      : port_(port), clock_(clock), threads_(threads) {}

  // Errors: what the group refuses, by StatusOf.
  absl::StatusOr<Reply> Ask(GroupId group, RequestBody body);
  template <class Result>
  absl::StatusOr<Result> AskFor(GroupId group, RequestBody body) {
    absl::StatusOr<Reply> reply = Ask(group, std::move(body));
    if (!reply.ok()) return reply.status();
    return std::get<Result>(*std::move(reply));
  }
  // Adds committed records from the run's end on, until it has `bytes` or there are no more.
  absl::Status Collect(GroupId group, uint64_t bytes, archive::RunBuilder& run);

  // The workers have been stopped: nobody answers any more.
  void Abandon();

  // UNAVAILABLE when another node, or this one later, may do it; else FAILED_PRECONDITION.
  static absl::Status StatusOf(const Rejection& rejection);

 private:
  void OnReply(uint64_t token, Reply reply) override;
  void OnChunk(uint64_t token, TailChunk chunk) override;
  void OnEnd(uint64_t token, TailEnd end) override;

  [[nodiscard]] bool HasReply() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return reply_.has_value() || abandoned_;
  }
  [[nodiscard]] bool HasNews() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !chunks_.empty() || end_.has_value() || abandoned_;
  }
  // What came since the last call; waits for something. CANCELLED when abandoned.
  absl::Status Await(std::vector<TailChunk>& chunks, std::optional<TailEnd>& end);

  GroupPort* const port_;
  const Clock* const clock_;
  Threads* const threads_;
  uint64_t token_ = 0;

  absl::Mutex mutex_;
  bool abandoned_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<Reply> reply_ ABSL_GUARDED_BY(mutex_);
  std::vector<TailChunk> chunks_ ABSL_GUARDED_BY(mutex_);
  std::optional<TailEnd> end_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace cairn::server
