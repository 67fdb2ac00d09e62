#include "client/src/send_buffer.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/check.h"
#include "client/src/record_encoder.h"

namespace cairn::client {

void SendBuffer::Reserve(size_t bytes, size_t records, MonoMicros now_us) {
  const bool fits = open_.size() + bytes <= max_bytes_ && open_records_ + records <= max_records_;
  if (has_open() && !fits) sealed_.push_back(Seal());
  if (!has_open()) {
    open_since_us_ = now_us;
    open_.reserve(std::max(bytes, std::min(typical_bytes_, max_bytes_)));
  }
}

uint64_t SendBuffer::Add(std::string_view payload, const RecordMetadata& metadata) {
  EncodeRecord(payload, metadata, open_);
  ++open_records_;
  return next_ticket_++;
}

std::optional<ProducerBatch> SendBuffer::Take(bool partial) {
  if (!sealed_.empty()) {
    ProducerBatch batch = std::move(sealed_.front());
    sealed_.pop_front();
    return batch;
  }
  if (!partial || !has_open()) return std::nullopt;
  return Seal();
}

ProducerBatch SendBuffer::Seal() {
  CHECK(has_open());
  typical_bytes_ = open_.size();
  ProducerBatch batch{.first_ticket = next_ticket_ - open_records_,
                      .count = open_records_,
                      .region = std::make_shared<const std::string>(std::move(open_))};
  open_ = std::string();
  open_records_ = 0;
  return batch;
}

}  // namespace cairn::client
