#include "adapter/memcache/record_mark.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/status_macros.h"

namespace cairn::adapter::memcache {
namespace {

constexpr std::string_view kFormat = "v1";
constexpr std::string_view kForm = "v1 <history> <offset>+<effects> [run=<k>/first|middle|last]";
constexpr size_t kMaxShownBytes = 200;

bool IsHistory(std::string_view text) {
  return !text.empty() && text.size() <= kMaxHistoryBytes &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  c == '-' || c == '_';
         });
}

// "v" and a number: what a newer agent writes.
bool IsFormat(std::string_view text) {
  uint64_t number = 0;
  return text.starts_with('v') && ParseNumber(text.substr(1), &number);
}

// Behind the format. A run counts its effect in its last part.
bool ParseFields(std::string_view text, RecordMark* mark) {
  mark->history = TakeUntil(' ', &text);
  uint64_t offset = 0;
  if (!IsHistory(mark->history) || !ParseNumber(TakeUntil('+', &text), &offset) ||
      !ParseNumber(TakeUntil(' ', &text), &mark->effects)) {
    return false;
  }
  mark->offset = StreamOffset(offset);
  if (offset > UINT64_MAX - mark->effects) return false;
  if (text.empty()) return true;
  return ParseRun(text, &mark->part, &mark->run_number) &&
         mark->effects == (mark->part == RunPart::kLast ? 1 : 0);
}

}  // namespace

absl::StatusOr<RecordMark> RecordMark::Parse(std::string_view text) {
  std::string_view rest = text;
  const std::string_view format = TakeUntil(' ', &rest);
  if (format != kFormat && IsFormat(format)) {
    return absl::FailedPreconditionError(
        fmt::format("written in format {}, and this agent knows {}: upgrade it", format, kFormat));
  }
  RecordMark mark;
  // What reads back differently (a leading zero, a blank too many) was not written by us.
  if (format == kFormat && ParseFields(rest, &mark) && mark.ToText() == text) return mark;
  return absl::DataLossError(
      fmt::format("'{}' is not of the form '{}'", text.substr(0, kMaxShownBytes), kForm));
}

absl::StatusOr<RecordMark> RecordMark::Of(const Record& record) {
  const auto found = record.metadata.find(std::string(kRecordMarkKey));
  if (found == record.metadata.end()) {
    return absl::DataLossError(
        fmt::format("the metadata has no key '{}': not of a memcached cache", kRecordMarkKey));
  }
  return Parse(found->second);
}

std::string RecordMark::ToText() const {
  std::string text = fmt::format("{} {} {}+{}", kFormat, history, offset, effects);
  if (part != RunPart::kNone) text += " " + RunText(part, run_number);
  return text;
}

absl::StatusOr<std::optional<StreamPlace>> ReadPlace(Record* record) {
  ASSIGN_OR_RETURN(const RecordMark mark, RecordMark::Of(*record));
  if (mark.part == RunPart::kFirst || mark.part == RunPart::kMiddle) {
    return std::optional<StreamPlace>();
  }
  return std::optional<StreamPlace>(mark.End());
}

}  // namespace cairn::adapter::memcache
