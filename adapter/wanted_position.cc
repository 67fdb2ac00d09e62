#include "adapter/wanted_position.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <optional>
#include <string>

#include "adapter/snapshot_fetch.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::adapter {
namespace {

constexpr absl::Duration kReadTimeout = absl::Seconds(30);
constexpr std::array kTimeFormats = {absl::RFC3339_full, "%Y-%m-%dT%H:%M:%E*S",
                                     "%Y-%m-%d %H:%M:%E*S", "%Y-%m-%d %H:%M", "%Y-%m-%d"};

std::string TimeText(int64_t timestamp_us) {
  return absl::FormatTime(absl::RFC3339_full, absl::FromUnixMicros(timestamp_us),
                          absl::UTCTimeZone());
}

// The first record behind that moment; nullopt: there is none.
absl::StatusOr<std::optional<RecordBatch>> FirstBehind(Log log, int64_t timestamp_us) {
  ReadOptions read;
  read.call.timeout = kReadTimeout;
  read.start_timestamp_us = timestamp_us + 1;
  read.max_records = 1;
  ReadStream stream = log.Read(read);
  return stream.Next();
}

absl::StatusOr<Seq> LastAt(const Log& log, const LogDescription& log_now, absl::Time at) {
  const int64_t at_us = absl::ToUnixMicros(at);
  ASSIGN_OR_RETURN(const std::optional<RecordBatch> behind, FirstBehind(log, at_us));
  const Seq seq = behind ? behind->first_seq.Previous() : log_now.last_seq;
  const bool trimmed = log_now.first_seq > Seq(1) && seq < log_now.first_seq;
  if (!trimmed) return seq;
  return absl::InvalidArgumentError(fmt::format(
      "the log {} begins with record {} of {}: of which record is the newest at {} "
      "nothing is known any more; name the record of a snapshot",
      log_now.name, log_now.first_seq, TimeText(behind->timestamp_us), TimeText(at_us)));
}

}  // namespace

absl::StatusOr<WantedPosition> ParsePosition(std::string_view text) {
  if (text == "end") return AtEnd{};
  uint64_t seq = 0;
  const char* const end = text.data() + text.size();
  const auto [parsed, error] = std::from_chars(text.data(), end, seq);
  if (error == std::errc() && parsed == end) return Seq(seq);
  for (const char* format : kTimeFormats) {
    absl::Time at;
    std::string ignored;
    if (absl::ParseTime(format, ToAbsl(text), absl::UTCTimeZone(), &at, &ignored)) return at;
  }
  return absl::InvalidArgumentError("expected end, a record's seq, or 2026-11-21T12:30:00Z");
}

absl::StatusOr<Seq> ResolvePosition(Log log, const WantedPosition& wanted) {
  ASSIGN_OR_RETURN(const LogDescription log_now, DescribeNow(log));
  if (std::holds_alternative<AtEnd>(wanted)) return log_now.last_seq;
  if (const auto* at = std::get_if<absl::Time>(&wanted)) return LastAt(log, log_now, *at);
  const Seq seq = std::get<Seq>(wanted);
  if (seq <= log_now.last_seq) return seq;
  return absl::InvalidArgumentError(fmt::format("the log {} ends with record {}, before {}",
                                                log_now.name, log_now.last_seq, seq));
}

}  // namespace cairn::adapter
