// ProducerCore: the rules of exactly-once, pipelined appends. Pure.
//
// Events in, actions out; the shell (producer.cc, or the simulator) performs the actions in the
// order of the fields of Actions. No thread, no lock of its own, no clock: time is an argument.
//
//   Start ─► register ─► Registered ─► Submit … ─► open_stream + writes ─► OnResponse ─► deliveries
//                                        ▲                │
//                                        └── retry after ─┴─ broken stream, NOT_LEADER, silence
//
// Invariants:
// - Requests carry sequences 1, 2, 3, …; `unanswered_` holds a contiguous run of them, at most
//   max_in_flight, oldest first. A request keeps its sequence and bytes for ever.
// - On one stream requests are written in order from the oldest unanswered one, none left out.
// - Responses come in the order of the writes, so each answers the front.
// - Once failed, nothing is sent any more.
// What a refusal proves: the service judges duplicates before everything else, so a request that a
// log's state machine refuses was not done by an earlier try either, and no later sequence can have
// been accepted without it (design section 5.4).
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "cairn/producer.h"
#include "cairn/types.h"
#include "cairn/v1/log.pb.h"
#include "client/src/route.h"
#include "client/src/stub.h"
#include "client/src/wake_timer.h"

namespace cairn::client {

// Records that will be appended by one request.
struct ProducerBatch {
  uint64_t first_ticket = 0;
  uint64_t count = 0;
  // Encoded `records` fields of an AppendRequest (record_encoder.h).
  std::shared_ptr<const std::string> region;
};

class ProducerCore {
 public:
  struct Options {
    std::string log;
    LogId log_id;
    size_t max_in_flight = 16;
    int64_t delivery_timeout_us = 30 * kMicrosPerSecond;
    std::optional<Epoch> if_lease_epoch;
    std::string lease_name;
    std::optional<Seq> if_last_seq;
  };

  struct Actions {
    // Ask for a producer id; the answer is OnRegistered.
    bool register_producer = false;
    bool close_stream = false;
    // Open a stream to endpoint(), and from then on tell of its events.
    bool open_stream = false;
    // Write these to the open stream.
    std::vector<EncodedMessage> writes;
    // Tell the user, in this order.
    std::vector<Delivery> deliveries;
  };

  // `routes` must outlive the core.
  ProducerCore(Options options, RouteTable& routes);

  Actions Start();
  Actions OnRegistered(const absl::StatusOr<uint64_t>& producer_id);

  // True if another request may be submitted now.
  [[nodiscard]] bool HasRoom() const;
  [[nodiscard]] size_t in_flight() const { return unanswered_.size(); }
  // Requires: HasRoom(); the batch's tickets follow the last one's.
  Actions Submit(ProducerBatch batch, MonoMicros now_us);

  Actions OnResponse(const v1::AppendStreamResponse& response, MonoMicros now_us);
  // The open stream ended; `status` may be OK.
  Actions OnStreamClosed(const absl::Status& status, MonoMicros now_us);
  Actions OnTimer(MonoMicros now_us);

  // Ends the producer. What was sent and not answered is an unknown outcome.
  Actions Close(const absl::Status& status);

  // When OnTimer wants to be called next; kNever when not.
  [[nodiscard]] MonoMicros wake_at_us() const;
  // Node that the stream is, or will be, opened to.
  [[nodiscard]] const std::string& endpoint() const { return route_.current(); }
  // OK until it failed for good.
  [[nodiscard]] const absl::Status& status() const { return status_; }

 private:
  struct Request {
    uint64_t sequence = 0;
    ProducerBatch batch;
    MonoMicros submitted_us = 0;
    // Streams that it was written to and that did not tell what became of it.
    uint32_t open_tries = 0;
  };

  enum class Phase {
    kUnregistered,
    kIdle,       // No stream, nothing to send.
    kPausing,    // No stream until retry_at_us_.
    kStreaming,  // A stream is open; its first `written_` unanswered requests were written to it.
    kFailed,
  };

  void OpenStream(MonoMicros now_us, Actions& actions);
  void WriteRest(Actions& actions);
  [[nodiscard]] EncodedMessage Encode(const Request& request, bool first_on_stream) const;
  void OnAppended(const v1::AppendResponse& response, Actions& actions);
  // The stream is of no use any more: gives up, or tries again on another one. `settled` if it is
  // certain that nothing more of what was written to it was or will be done.
  void Break(const absl::Status& status, bool settled, MonoMicros now_us, Actions& actions);
  // Fails everything that is unanswered.
  void Fail(const absl::Status& status, Actions& actions);
  [[nodiscard]] int64_t PatienceUs() const;

  const Options options_;
  Route route_;
  Phase phase_ = Phase::kUnregistered;
  uint64_t producer_id_ = 0;
  uint64_t next_sequence_ = 1;
  uint64_t next_ticket_ = 1;
  std::deque<Request> unanswered_;
  size_t written_ = 0;
  bool stream_named_log_ = false;  // Something was written to the open stream.
  MonoMicros retry_at_us_ = kNever;
  MonoMicros progress_us_ = 0;  // Last sign that the open stream works, or its opening.
  uint64_t silent_streams_ = 0;
  absl::Status status_;
};

}  // namespace cairn::client
