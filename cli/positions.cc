// How positions, leases and metadata are written on the command line.
#include <fmt/format.h>

#include <charconv>

#include "base/status_macros.h"
#include "cli/data_commands.h"
#include "cli/units.h"

namespace cairn::cli {
namespace {

// A whole decimal number above 0.
bool ParseOrdinal(std::string_view text, uint64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value > 0;
}

}  // namespace

absl::StatusOr<Position> ParsePosition(const std::string& text) {
  if (text == "first") return Position{};
  if (text == "next") return Position{.kind = Position::Kind::kNext};
  if (!text.empty() && text.front() == '@') {
    ASSIGN_OR_RETURN(const int64_t timestamp_us, ParseTimestampUs(text.substr(1)));
    return Position{.kind = Position::Kind::kTimestamp, .seq = {}, .timestamp_us = timestamp_us};
  }
  uint64_t seq = 0;
  if (ParseOrdinal(text, seq)) return Position{.kind = Position::Kind::kSeq, .seq = Seq{seq}};
  return absl::InvalidArgumentError(
      fmt::format("'{}' is not a position; give a seq (1, 2, …), first, or @ and a time such as "
                  "@2026-11-21T12:30:00Z",
                  text));
}

absl::StatusOr<LeaseRef> ParseLeaseRef(const std::string& text) {
  const size_t colon = text.rfind(':');
  uint64_t epoch = 0;
  if (colon == std::string::npos || colon == 0 ||
      !ParseOrdinal(std::string_view(text).substr(colon + 1), epoch)) {
    return absl::InvalidArgumentError(
        fmt::format("'{}' is not a lease and its epoch; write it as primary:17", text));
  }
  return LeaseRef{text.substr(0, colon), Epoch{epoch}};
}

absl::StatusOr<RecordMetadata> ParseMetadata(const std::vector<std::string>& texts) {
  RecordMetadata metadata;
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      return absl::InvalidArgumentError(
          fmt::format("'{}' is not metadata; write it as key=value", text));
    }
    if (!metadata.emplace(text.substr(0, equals), text.substr(equals + 1)).second) {
      return absl::InvalidArgumentError(
          fmt::format("the metadata key '{}' is given twice", text.substr(0, equals)));
    }
  }
  return metadata;
}

}  // namespace cairn::cli
