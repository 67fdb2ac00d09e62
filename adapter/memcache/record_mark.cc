#include "adapter/memcache/record_mark.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/status_macros.h"

namespace cairn::adapter::memcache {
namespace {

constexpr std::string_view kFormat = "v1";
constexpr std::string_view kForm = "v1 <history> <offset>+<effects> [run=<k>/first|middle|last]";
constexpr size_t kMaxShownBytes = 200;

bool ParseNumber(std::string_view text, uint64_t* number) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, *number);
  return error == std::errc() && stop == end && !text.empty();
}

// Takes what is before `delimiter`, and the delimiter.
std::string_view TakeUntil(char delimiter, std::string_view* rest) {
  const std::string_view taken = rest->substr(0, rest->find(delimiter));
  rest->remove_prefix(std::min(rest->size(), taken.size() + 1));
  return taken;
}

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

std::string_view PartName(RunPart part) {
  switch (part) {
    case RunPart::kFirst:
      return "first";
    case RunPart::kMiddle:
      return "middle";
    case RunPart::kLast:
      return "last";
    case RunPart::kNone:
      break;
  }
  return "";
}

// A run counts its effect in its last part.
bool ParseRun(std::string_view text, RecordMark* mark) {
  constexpr std::string_view kRun = "run=";
  if (!text.starts_with(kRun)) return false;
  text.remove_prefix(kRun.size());
  if (!ParseNumber(TakeUntil('/', &text), &mark->run_number) || mark->run_number == 0) return false;
  for (const RunPart part : {RunPart::kFirst, RunPart::kMiddle, RunPart::kLast}) {
    if (text == PartName(part)) mark->part = part;
  }
  return mark->part != RunPart::kNone &&
         (mark->run_number == 1) == (mark->part == RunPart::kFirst) &&
         mark->effects == (mark->part == RunPart::kLast ? 1 : 0);
}

// Behind the format.
bool ParseFields(std::string_view text, RecordMark* mark) {
  mark->history = TakeUntil(' ', &text);
  uint64_t offset = 0;
  if (!IsHistory(mark->history) || !ParseNumber(TakeUntil('+', &text), &offset) ||
      !ParseNumber(TakeUntil(' ', &text), &mark->effects)) {
    return false;
  }
  mark->offset = StreamOffset(offset);
  if (offset > UINT64_MAX - mark->effects) return false;
  return text.empty() || ParseRun(text, mark);
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
  if (part != RunPart::kNone) text += fmt::format(" run={}/{}", run_number, PartName(part));
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
