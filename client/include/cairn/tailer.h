// Tailer: follows a log for ever, from any replica.
//
// It hands out committed records in order, none missing, none twice. When its stream breaks it
// goes on by itself at the next seq on another endpoint; the consumer does not notice, but for a
// pause. Beside records it tells what happened to the log: a lease was renewed, the consumer has
// caught up, or nothing happened (heartbeat).
//
//   ASSIGN_OR_RETURN(auto tailer, Tailer::Open(log, {.start = TailStart::AtSeq(Seq{next})}));
//   for (;;) {
//     absl::StatusOr<TailEvent> event = tailer->Next(absl::Seconds(5));
//     if (absl::IsDeadlineExceeded(event.status())) continue;  // Nothing for 5 s: just ask again.
//     RETURN_IF_ERROR(event.status());                         // Final.
//     for (const RecordBatch& batch : event->batches) …
//   }
//
// Final errors, after which every call answers the same:
//   TRIMMED           the position was trimmed (first_seq tells how far): load a snapshot that
//                     covers it, or start at the first kept record and know of the gap.
//   LOG_RECREATED     the name is another log now; LOG_NOT_FOUND: it was deleted. State built from
//                     the old log is void.
//   SEQ_IN_FUTURE     the start is past the end: the consumer's state is not of this log.
//   PERMISSION_DENIED, UNAUTHENTICATED (unless on_denied is set), kDataLoss (a server sent records
//   that do not continue the
//                     sequence: page someone), kCancelled (closed).
// Everything else is retried for ever, with backoff; Disconnected() tells.
//
// Threads: Next, or the callbacks, from one thread at a time; the rest from any thread. With
//   `on_event` set, events are delivered on the client thread and Next must not be called.
// Lifetime: the Client must outlive it. The destructor cancels and returns when no callback runs.
// Bounds: `max_buffer_bytes` of payloads not yet taken by Next; the stream is not read past that,
//   so a slow consumer holds back the server by flow control.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cairn/error.h"
#include "cairn/log.h"
#include "cairn/types.h"

namespace cairn {

// Where a tail begins.
struct TailStart {
  enum class Kind { kSeq, kFirst, kNext, kTimestamp };

  Kind kind = Kind::kFirst;
  Seq seq;
  int64_t timestamp_us = 0;

  // With that seq, inclusive; at most last_seq + 1.
  static TailStart AtSeq(Seq seq) { return {Kind::kSeq, seq, 0}; }
  // With the first kept record.
  static TailStart AtFirst() { return {}; }
  // With the first record that is committed after the subscription.
  static TailStart AtNext() { return {Kind::kNext, Seq{}, 0}; }
  // With the first record at or after this log time.
  static TailStart AtTimestamp(int64_t us) { return {Kind::kTimestamp, Seq{}, us}; }
};

// All records up to `seq` have been handed out, and a leader confirmed, after this subscription or
// after the last such mark, that nothing newer was committed.
struct CaughtUp {
  Seq seq;
  uint64_t chain = 0;
  absl::Duration age;  // Of the confirmation, when the server sent it.
};

// The lease `name` of epoch `epoch` was renewed. In log order with the records.
struct LeaseRenewed {
  std::string name;
  Epoch epoch;
};

struct TailHeartbeat {
  Seq last_seq;        // Committed, as far as the replica knows.
  bool stale = false;  // The replica hears no leader with a quorum.
};

// One message of a tail. The marks apply after the batches.
struct TailEvent {
  std::vector<RecordBatch> batches;
  std::vector<LeaseRenewed> renewed;
  std::optional<CaughtUp> caught_up;
  std::optional<TailHeartbeat> heartbeat;
};

struct TailerOptions {
  TailStart start;
  // Interval of heartbeats while nothing else is sent: 10 ms … 60 s. A stream that stays silent
  // for five of them (at least 2 s) counts as broken.
  absl::Duration heartbeat = absl::Seconds(1);
  size_t max_buffer_bytes = 16u << 20;
  // Ask this endpoint first ("host:port"), such as the replica next door. Empty: any.
  std::string prefer_endpoint;
  // Callback form. `on_error` is told the final error, once, after the last event.
  std::function<void(TailEvent)> on_event;
  std::function<void(absl::Status)> on_error;
  // If set, PERMISSION_DENIED and UNAUTHENTICATED do not end the tail: it is tried again, with the
  // token that its file holds by then, as when a node cannot be reached. Told each time, on the
  // client thread.
  std::function<void(const absl::Status&)> on_denied;
  // For event loops, without on_event: runs on the client thread after an event was queued and
  // after the end, so that Next(ZeroDuration()) has something to say. Must not call Next itself.
  std::function<void()> on_ready;
};

class Tailer {
 public:
  // Starts following; does not wait for a connection. Errors: kInvalidArgument for bad options.
  static absl::StatusOr<std::unique_ptr<Tailer>> Open(const Log& log, TailerOptions options);

  ~Tailer();
  Tailer(const Tailer&) = delete;
  Tailer& operator=(const Tailer&) = delete;

  // The next event. kDeadlineExceeded: nothing came within `timeout`; the tail goes on.
  absl::StatusOr<TailEvent> Next(absl::Duration timeout = absl::InfiniteDuration());

  // Ends the tail; Next answers kCancelled once the queue is empty. Idempotent.
  void Close();

  // Seq that the consumer is given next, as of the last event taken; 0 until it is known (a tail
  // from a timestamp or from `next` that has delivered nothing).
  [[nodiscard]] Seq next_seq() const;
  // Chain after the record before next_seq(); 0 when not known.
  [[nodiscard]] uint64_t chain() const;
  // The newest caught_up mark taken, nullopt before the first.
  [[nodiscard]] std::optional<CaughtUp> caught_up() const;
  // How long there has been no working stream; zero while connected.
  [[nodiscard]] absl::Duration Disconnected() const;

 private:
  class Impl;
  explicit Tailer(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace cairn
