// LogPublisher: appends a cache's records under one epoch of its lease, and tells what committed.
//
//   owner ──TryAppend──► Producer (if_lease_epoch) ──► log
//         ◄─OnAppended──
//
// It lives for one epoch and ends with its first failure: nothing is appended after that.
//
// Threads: the engine thread. Notices cross over from the client library's thread; many deliveries
// come with one wake-up when the engine thread is busy. Lifetime: nobody is called after it is
// destroyed. Bounds: `buffer_bytes` that are not answered.
#pragma once

#include <asio/any_io_executor.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/delay_counts.h"
#include "adapter/role_events.h"
#include "cairn/log.h"
#include "cairn/producer.h"

namespace cairn::adapter {

class LogPublisherOwner {
 public:
  virtual ~LogPublisherOwner() = default;
  // Everything through this ticket is committed; its record has this seq, and those that were
  // committed since the last call stand before it without a gap.
  virtual void OnAppended(uint64_t ticket, Seq seq) = 0;
  // Once; see Append for tickets that are not told.
  virtual void OnAppendFailed(PublisherTrouble why, const absl::Status& status) = 0;
};

class LogPublisher {
 public:
  struct Options {
    std::string lease_name = "primary";
    Epoch epoch;
    size_t buffer_bytes = size_t{64} << 20;
  };
  // Errors: kInvalidArgument.
  static absl::StatusOr<std::unique_ptr<LogPublisher>> Start(const asio::any_io_executor& executor,
                                                             const Log& log, const Options& options,
                                                             LogPublisherOwner* owner);
  ~LogPublisher();
  LogPublisher(const LogPublisher&) = delete;
  LogPublisher& operator=(const LogPublisher&) = delete;

  // The record's ticket: 1, 2, 3, …; 0: the buffer is full, try again after an OnAppended.
  // Any other error is final, and is or will be told by OnAppendFailed.
  absl::StatusOr<uint64_t> TryAppend(const NewRecord& record);

  // Of all publishers of this process: how long records took from TryAppend to their commit. From
  // any thread.
  [[nodiscard]] static DelayCounts Delays();

 private:
  struct Inbox;
  explicit LogPublisher(std::shared_ptr<Inbox> inbox);

  std::shared_ptr<Inbox> inbox_;
  std::unique_ptr<Producer> producer_;
};

}  // namespace cairn::adapter
