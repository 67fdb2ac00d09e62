// SendBuffer: records on their way from Producer::Send to the requests that carry them.
//
// Senders encode into the open region; a region that reaches a request's bounds is sealed and
// waits in line. The client thread takes the oldest batch whenever the core has room. So the
// batches grow by themselves while requests are in flight.
//
// Threads: not safe; the Producer's lock guards it.
// Bounds: the caller compares bytes() with its limit before it adds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "cairn/types.h"
#include "client/src/producer_core.h"

namespace cairn::client {

class SendBuffer {
 public:
  SendBuffer(size_t max_request_bytes, size_t max_request_records)
      : max_bytes_(max_request_bytes), max_records_(max_request_records) {}

  // Makes room for `records` records of `bytes` encoded bytes that must not be parted: seals the
  // open region if they do not fit behind it.
  void Reserve(size_t bytes, size_t records, MonoMicros now_us);
  // Encodes one record into the open region and returns its ticket.
  uint64_t Add(std::string_view payload, const RecordMetadata& metadata);

  // The oldest sealed batch; with `partial`, else the open region. nullopt when there is none.
  std::optional<ProducerBatch> Take(bool partial);

  [[nodiscard]] bool has_sealed() const { return !sealed_.empty(); }
  [[nodiscard]] bool has_open() const { return open_records_ > 0; }
  // When the oldest record of the open region came.
  [[nodiscard]] MonoMicros open_since_us() const { return open_since_us_; }
  // Ticket of the newest record; 0 before the first.
  [[nodiscard]] uint64_t last_ticket() const { return next_ticket_ - 1; }

 private:
  ProducerBatch Seal();

  const size_t max_bytes_;
  const size_t max_records_;
  std::string open_;
  size_t open_records_ = 0;
  size_t typical_bytes_ = 0;  // Of the last region: the next one's first reservation.
  MonoMicros open_since_us_ = 0;
  uint64_t next_ticket_ = 1;
  std::deque<ProducerBatch> sealed_;
};

}  // namespace cairn::client
