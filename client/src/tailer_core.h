// TailerCore: the rules of a tail that resumes by itself. Pure.
//
// Events in, actions out; the shell (tailer.cc, or the simulator) performs the actions in the
// order of the fields of Actions. No thread, no clock: time is an argument.
//
// Invariants:
// - Records are passed on in seq order, each once: `next_seq_` is the only seq that is accepted.
// - A new stream starts at next_seq_ once it is known, before that where the user asked to start.
// - At most one stream is open; events of an earlier one must not be passed in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "base/clock.h"
#include "cairn/tailer.h"
#include "cairn/types.h"
#include "cairn/v1/log.pb.h"
#include "client/src/route.h"
#include "client/src/wake_timer.h"

namespace cairn::client {

class TailerCore {
 public:
  struct Options {
    std::string log;
    LogId log_id;
    TailStart start;
    int64_t heartbeat_us = kMicrosPerSecond;
    bool outlives_denials = false;  // They are told, and the tail is tried again.
    std::string prefer_endpoint;
  };

  struct Actions {
    bool close_stream = false;
    // Open a stream to endpoint() and write this request.
    std::optional<v1::TailRequest> open_stream;
    // Pass this on to the user.
    std::optional<TailEvent> event;
    // Refused for want of a right, which does not end the tail.
    std::optional<absl::Status> denied;
    // The tail is over; nothing follows.
    std::optional<absl::Status> failed;
  };

  // `routes` must outlive the core.
  TailerCore(Options options, RouteTable& routes);

  Actions Start(MonoMicros now_us);
  Actions OnMessage(v1::TailResponse* message, MonoMicros now_us);
  Actions OnStreamClosed(const absl::Status& status, MonoMicros now_us);
  Actions OnTimer(MonoMicros now_us);

  // Ends the tail: no event leads to an action any more.
  void Close() { phase_ = Phase::kOver; }

  // While paused, the silence of the stream means nothing: it is the consumer who is slow.
  void SetPaused(bool paused, MonoMicros now_us);

  [[nodiscard]] MonoMicros wake_at_us() const;
  [[nodiscard]] const std::string& endpoint() const { return route_.current(); }
  // Seq of the next record; 0 while it is not known.
  [[nodiscard]] Seq next_seq() const { return next_seq_; }
  // Since when there has been no stream that works; kNever while there is one.
  [[nodiscard]] MonoMicros disconnected_since_us() const { return disconnected_since_us_; }

 private:
  enum class Phase { kNew, kPausing, kStreaming, kOver };

  void OpenStream(MonoMicros now_us, Actions& actions);
  [[nodiscard]] v1::TailRequest Request() const;
  // Checks that the batches continue the tail and moves next_seq_ behind them.
  absl::Status Accept(const TailEvent& event);
  void NoteMarks(const TailEvent& event, MonoMicros now_us);
  void Break(const absl::Status& status, MonoMicros now_us, Actions& actions);
  void Fail(absl::Status status, Actions& actions);
  [[nodiscard]] bool IsBelieved(const absl::Status& status) const;
  [[nodiscard]] int64_t SilenceUs() const;

  const Options options_;
  Route route_;
  Phase phase_ = Phase::kNew;
  Seq next_seq_;
  bool delivered_ = false;  // Some record was passed on.
  bool paused_ = false;
  MonoMicros retry_at_us_ = kNever;
  MonoMicros heard_us_ = 0;             // Last message of the open stream, or its opening.
  MonoMicros stale_since_us_ = kNever;  // The replica says that it hears no leader.
  int64_t stale_patience_us_;           // Doubled by each replica that was left for that.
  MonoMicros disconnected_since_us_ = 0;
};

}  // namespace cairn::client
