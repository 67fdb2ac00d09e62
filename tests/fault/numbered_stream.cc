#include "tests/fault/numbered_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace cairn::fault {

std::string NumberedRecord(size_t writer, uint64_t number, size_t bytes) {
  std::string record = fmt::format("{}:{}:", writer, number);
  record.resize(std::max(record.size(), bytes), 'x');
  return record;
}

void AckBook::Acknowledge(uint64_t number, Seq seq) {
  absl::MutexLock lock(&mutex_);
  slots_[number % kRemembered] = {number, seq};
  newest_ = number;
}

std::optional<Seq> AckBook::SeqOf(uint64_t number) const {
  absl::MutexLock lock(&mutex_);
  const Slot& slot = slots_[number % kRemembered];
  if (slot.number != number || slot.seq == Seq{}) return std::nullopt;
  return slot.seq;
}

std::optional<uint64_t> AckBook::newest() const {
  absl::MutexLock lock(&mutex_);
  return newest_;
}

void StreamCheck::Take(const RecordBatch& batch) {
  for (const Record& record : batch.records) Take(record);
}

void StreamCheck::Take(const Record& record) {
  ++records_;
  if (next_ != Seq{} && record.seq != next_) Wrong(record, fmt::format("{} is next", next_));
  next_ = record.seq + 1;
  const std::string& payload = record.payload;
  const char* const end = payload.data() + payload.size();
  size_t writer = 0;
  uint64_t number = 0;
  const auto first = std::from_chars(payload.data(), end, writer);
  if (first.ec != std::errc() || first.ptr == end || writer >= books_.size()) {
    return Wrong(record, "a record of nobody");
  }
  const auto second = std::from_chars(first.ptr + 1, end, number);
  if (second.ec != std::errc() || payload != NumberedRecord(writer, number, payload.size())) {
    return Wrong(record, "its payload was changed");
  }
  Follow(record, writer, number);
}

void StreamCheck::Follow(const Record& record, size_t writer, uint64_t number) {
  const AckBook& book = *books_[writer];
  std::optional<uint64_t>& last = last_[writer];
  if (last && number <= *last) {
    return Wrong(record, fmt::format("writer {}: {} comes behind {}", writer, number, *last));
  }
  // What is left out may be long in coming; only the newest numbers are known anyway.
  const uint64_t expected = last ? *last + 1 : number;
  if (book.gapless() && number != expected) {
    Wrong(record,
          fmt::format("writer {}: {} comes where {} is expected", writer, number, expected));
  }
  const uint64_t known = number - std::min(number - expected, AckBook::kRemembered);
  for (uint64_t left_out = known; left_out < number; ++left_out) {
    if (!book.SeqOf(left_out)) continue;
    Wrong(record, fmt::format("writer {}: {} was acknowledged and is left out", writer, left_out));
  }
  last = number;
  const std::optional<Seq> told = book.SeqOf(number);
  if (told && *told != record.seq) {
    Wrong(record, fmt::format("writer {}: {} was acknowledged at {}", writer, number, *told));
  }
}

void StreamCheck::Wrong(const Record& record, std::string_view what) {
  ++errors_;
  if (first_error_.empty()) first_error_ = fmt::format("seq {}: {}", record.seq, what);
}

}  // namespace cairn::fault
