#include "adapter/log_trim.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>

#include "adapter/log_lookback.h"
#include "adapter/snapshot_fetch.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::adapter {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(60);

// The first record that the policy keeps.
absl::StatusOr<Seq> FirstKept(Log log, const TrimPolicy& policy, const LogDescription& log_now) {
  switch (policy.kind) {
    case TrimPolicy::Kind::kNone:
      return log_now.first_seq;
    case TrimPolicy::Kind::kKeepRecords:
      if (log_now.last_seq.value() <= policy.keep_records) return log_now.first_seq;
      return log_now.last_seq + 1 - policy.keep_records;
    case TrimPolicy::Kind::kKeepTime:
      break;
  }
  ReadOptions read;
  read.call.timeout = kCallTimeout;
  read.start_timestamp_us = log_now.timestamp_us - absl::ToInt64Microseconds(policy.keep_time);
  read.max_records = 1;
  ReadStream stream = log.Read(read);
  ASSIGN_OR_RETURN(const std::optional<RecordBatch> batch, stream.Next());
  return batch ? batch->first_seq : log_now.last_seq + 1;
}

}  // namespace

absl::StatusOr<TrimPolicy> ParseTrimPolicy(std::string_view text) {
  constexpr std::string_view kRecords = "keep-records=";
  constexpr std::string_view kTime = "keep-time=";
  TrimPolicy policy;
  if (text == "none") return policy;
  if (text.starts_with(kRecords)) {
    const std::string_view number = text.substr(kRecords.size());
    const char* const end = number.data() + number.size();
    const auto [parsed, error] = std::from_chars(number.data(), end, policy.keep_records);
    policy.kind = TrimPolicy::Kind::kKeepRecords;
    if (error == std::errc() && parsed == end) return policy;
  }
  if (text.starts_with(kTime)) {
    policy.kind = TrimPolicy::Kind::kKeepTime;
    const bool parsed = absl::ParseDuration(ToAbsl(text.substr(kTime.size())), &policy.keep_time);
    if (parsed && policy.keep_time >= absl::ZeroDuration()) return policy;
  }
  return absl::InvalidArgumentError("expected none, keep-records=N or keep-time=10m");
}

absl::StatusOr<Seq> TrimLog(Log log, const TrimPolicy& policy, CacheKind kind, Seq covered) {
  ASSIGN_OR_RETURN(const LogDescription log_now, DescribeNow(log));
  if (policy.kind == TrimPolicy::Kind::kNone || covered < log_now.first_seq) {
    return log_now.first_seq;
  }
  ASSIGN_OR_RETURN(const Seq wanted, FirstKept(log, policy, log_now));
  const auto unit_begin = [kind](const Record& record) { return UnitBegin(kind, record); };
  ASSIGN_OR_RETURN(const std::optional<Seq> unit,
                   FindNewest(log, log_now.first_seq, covered, unit_begin));
  const Seq first = std::min({wanted, covered, unit.value_or(log_now.first_seq)});
  if (first <= log_now.first_seq) return log_now.first_seq;
  return log.Trim(first);
}

}  // namespace cairn::adapter
