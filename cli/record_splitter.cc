#include "cli/record_splitter.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/status_macros.h"

namespace cairn::cli {
namespace {

constexpr size_t kPrefixBytes = 4;

uint64_t DecodePrefix(std::string_view prefix) {
  uint64_t length = 0;
  for (const char c : prefix) length = length << 8 | static_cast<unsigned char>(c);
  return length;
}

}  // namespace

RecordSplitter::RecordSplitter(SplitterOptions options) : options_(options) {
  if (options_.framing == Framing::kChunks) {
    CHECK_GT(options_.chunk_bytes, 0u);
    wanted_bytes_ = options_.chunk_bytes;
  } else if (options_.framing == Framing::kLengthPrefixed) {
    in_header_ = true;
    wanted_bytes_ = kPrefixBytes;
  }
}

absl::Status RecordSplitter::Feed(std::string_view bytes, const Sink& sink) {
  return options_.framing == Framing::kLines ? FeedLines(bytes, sink) : FeedSized(bytes, sink);
}

absl::Status RecordSplitter::FeedLines(std::string_view bytes, const Sink& sink) {
  for (size_t end; (end = bytes.find('\n')) != std::string_view::npos;
       bytes.remove_prefix(end + 1)) {
    const std::string_view part = bytes.substr(0, end);
    if (pending_.empty()) {  // The common case: a whole line, passed on without a copy.
      RETURN_IF_ERROR(Emit(part, sink));
    } else {
      if (pending_.size() + part.size() > options_.max_record_bytes) {
        return TooLarge(pending_.size() + part.size());
      }
      pending_ += part;
      RETURN_IF_ERROR(Emit(pending_, sink));
      pending_.clear();
    }
    ++consumed_bytes_;  // The newline.
  }
  if (pending_.size() + bytes.size() > options_.max_record_bytes) {
    return TooLarge(pending_.size() + bytes.size());
  }
  pending_ += bytes;
  return absl::OkStatus();
}

absl::Status RecordSplitter::FeedSized(std::string_view bytes, const Sink& sink) {
  while (!bytes.empty() || (!in_header_ && wanted_bytes_ == 0)) {
    Collect(bytes, wanted_bytes_);
    if (pending_.size() < wanted_bytes_) break;
    if (in_header_) {
      wanted_bytes_ = DecodePrefix(pending_);
      if (wanted_bytes_ > options_.max_record_bytes) return TooLarge(wanted_bytes_);
      consumed_bytes_ += kPrefixBytes;
      in_header_ = false;
    } else {
      if (wanted_bytes_ > options_.max_record_bytes) return TooLarge(wanted_bytes_);
      RETURN_IF_ERROR(Emit(pending_, sink));
      in_header_ = options_.framing == Framing::kLengthPrefixed;
      wanted_bytes_ = in_header_ ? kPrefixBytes : options_.chunk_bytes;
    }
    pending_.clear();
  }
  return absl::OkStatus();
}

void RecordSplitter::Collect(std::string_view& bytes, uint64_t want) {
  const size_t take = std::min<uint64_t>(bytes.size(), want - pending_.size());
  pending_ += bytes.substr(0, take);
  bytes.remove_prefix(take);
}

absl::Status RecordSplitter::Finish(const Sink& sink) {
  if (options_.framing == Framing::kLengthPrefixed) {
    if (in_header_ && pending_.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(fmt::format(
        "the input ends inside the record at byte {}: it has {} of {} bytes of its {}",
        consumed_bytes_, pending_.size(), wanted_bytes_, in_header_ ? "length" : "payload"));
  }
  if (pending_.empty()) return absl::OkStatus();
  const std::string last = std::move(pending_);
  pending_.clear();
  return Emit(last, sink);
}

absl::Status RecordSplitter::Emit(std::string_view record, const Sink& sink) {
  if (record.size() > options_.max_record_bytes) return TooLarge(record.size());
  RETURN_IF_ERROR(sink(record));
  consumed_bytes_ += record.size();
  return absl::OkStatus();
}

absl::Status RecordSplitter::TooLarge(uint64_t at_least_bytes) const {
  return absl::InvalidArgumentError(fmt::format(
      "the record at byte {} of the input has {} bytes or more, but a record holds at most {}; "
      "cut the input with --chunk-bytes",
      consumed_bytes_, at_least_bytes, options_.max_record_bytes));
}

void AppendLengthPrefixed(std::string& out, std::string_view record) {
  CHECK_LE(record.size(), 0xffffffffu);
  const auto length = static_cast<uint32_t>(record.size());
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(length >> shift & 0xffu);
  out += record;
}

}  // namespace cairn::cli
