// Producer: appends records in order, pipelined, each exactly once.
//
// Send() copies a record into a buffer and returns at once. The producer cuts the buffer into
// requests (each appended atomically), keeps up to 16 of them in flight on one stream to the log's
// leader, and resends what is unanswered, in order, when the stream breaks or the leader changes.
// The service recognises a repeated request by its producer id and sequence, so a retry never
// appends twice. While requests are in flight the next batch gathers by itself, so `linger` can
// stay zero.
//
// Tickets: the n-th accepted record has ticket n (1, 2, 3, …). Completions come as ranges of
// tickets in ticket order; ticket t of a done range has seq first_seq + (t - first_ticket).
//
// Failing: the first refusal that retrying cannot cure ends the producer: everything unanswered
// fails, in order, with that status, and every later Send returns it. Within the failed ranges,
// IsUnknownOutcome(status) tells what may have been appended from what certainly was not. After
// that open a new Producer. The reasons:
//   CONDITION_FAILED   if_last_seq: somebody else appended.
//   LEASE_LOST         if_lease_epoch: this process is no longer the holder. Final.
//   PRODUCER_EXPIRED   the log forgot the producer after a long silence. What was sent and not
//                      answered is unknown: read the log before sending it again.
//   LOG_RECREATED, LOG_NOT_FOUND, FENCE_REQUIRED, TOO_LARGE, PERMISSION_DENIED, …: see error.h.
//   kDeadlineExceeded  `delivery_timeout` passed without an answer: unknown for what was sent.
//   kCancelled         Close() or the destructor: unknown for what was sent.
// OVERLOADED and STORAGE_FULL are waited out: the buffer fills up and pushes back.
//
// Threads: Send, Flush, Close from any thread; concurrent Sends are ordered as they take the
//   lock. Callbacks run on the client thread, one at a time, in order, with no lock held: they
//   may call TrySend, but nothing that blocks.
// Lifetime: the Client must outlive it. The destructor cancels what is unanswered (Flush first)
//   and returns when no callback runs any more.
// Bounds: `max_buffer_bytes` of records that are not answered yet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cairn/error.h"
#include "cairn/log.h"
#include "cairn/types.h"

namespace cairn {

// Records [first_ticket, last_ticket], appended by one request or failed together.
struct Delivery {
  uint64_t first_ticket = 0;
  uint64_t last_ticket = 0;
  // OK: `result` says where. Otherwise why not; see IsUnknownOutcome.
  absl::Status status;
  AppendResult result;
};

struct ProducerOptions {
  using DeliveryCallback = std::function<void(const Delivery&)>;

  // Unanswered bytes, encoded, that Send accepts before it pushes back.
  size_t max_buffer_bytes = 64u << 20;
  // A request is cut at these bounds: up to 16 MiB and 65,536 records. A SendBatch is never cut.
  size_t max_request_bytes = 1u << 20;
  size_t max_request_records = 4096;
  // How long a record may wait for company while nothing is in flight.
  absl::Duration linger = absl::ZeroDuration();
  // 1 … 16 requests.
  int max_in_flight = 16;
  // Requests in flight from which on only full ones leave; a batch that is not full then goes on
  // growing until an answer comes. 1 … 16. At half of what a cluster can take, one request of the
  // size that a round trip gathers costs a fraction of four smaller ones, and answers sooner.
  int max_in_flight_partial = 1;
  // A request that is not answered that long after it was cut fails the producer.
  absl::Duration delivery_timeout = absl::Seconds(30);
  // For the registration in Open().
  CallOptions call;
  // Fence: every request names this epoch of `lease_name` (empty: "primary").
  std::optional<Epoch> if_lease_epoch;
  std::string lease_name;
  // Single-writer chain: the first request carries this as if_last_seq, each later one the last
  // seq that its predecessor must have produced. Anybody else's append fails the producer.
  std::optional<Seq> if_last_seq;
  // Runs once for every range of tickets, in order. May be empty.
  DeliveryCallback on_delivery;
};

class Producer {
 public:
  // Registers a producer with the log and waits for its id. Errors: as Log, TABLE_FULL, and
  // kInvalidArgument for bad options.
  static absl::StatusOr<std::unique_ptr<Producer>> Open(const Log& log, ProducerOptions options);

  // As Open without waiting: records are accepted at once, and a failed registration fails the
  // producer. Errors: kInvalidArgument.
  static absl::StatusOr<std::unique_ptr<Producer>> Start(const Log& log, ProducerOptions options);

  ~Producer();
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  // Accepts one record and returns its ticket; blocks while the buffer is full.
  // Errors: kDeadlineExceeded if the buffer is still full after `timeout` (nothing was accepted);
  //   kInvalidArgument for a record that alone passes the bounds; the producer's final status.
  absl::StatusOr<uint64_t> Send(std::string_view payload,
                                absl::Duration timeout = absl::InfiniteDuration());
  absl::StatusOr<uint64_t> Send(const NewRecord& record,
                                absl::Duration timeout = absl::InfiniteDuration());

  // As Send, but kResourceExhausted at once when the buffer is full.
  absl::StatusOr<uint64_t> TrySend(std::string_view payload);
  absl::StatusOr<uint64_t> TrySend(const NewRecord& record);

  // Accepts records that must be appended atomically, in one request; returns the last ticket.
  absl::StatusOr<uint64_t> SendBatch(const std::vector<NewRecord>& records,
                                     absl::Duration timeout = absl::InfiniteDuration());

  // As Send, with the record's seq as a future (one allocation per record).
  std::future<absl::StatusOr<Seq>> SendForResult(std::string_view payload,
                                                 absl::Duration timeout = absl::InfiniteDuration());

  // Waits until everything accepted before the call is answered and its callbacks have returned
  // (so never call it from one), and returns OK if all of it was appended. Errors:
  // kDeadlineExceeded after `timeout` (nothing is given up by that); the
  //   producer's final status.
  absl::Status Flush(absl::Duration timeout = absl::InfiniteDuration());

  // Soon refuses further Sends, and fails what is unanswered with kCancelled. Idempotent.
  void Close();

  // OK while the producer works, its final status afterwards.
  [[nodiscard]] absl::Status status() const;
  // Unanswered records and their encoded bytes.
  [[nodiscard]] uint64_t pending_records() const;
  [[nodiscard]] size_t pending_bytes() const;
  // Newest append that was answered; last_seq is 0 before the first.
  [[nodiscard]] AppendResult last_result() const;

 private:
  class Impl;
  explicit Producer(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace cairn
