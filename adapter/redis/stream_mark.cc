#include "adapter/redis/stream_mark.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "base/status_macros.h"

namespace cairn::adapter::redis {
namespace {

constexpr std::string_view kForm =
    "v1 <engine>/<version> <replid> <end_offset> db=<n> [run=<k>/first|middle|last]";
constexpr size_t kReplidDigits = 40;

bool TakePrefix(std::string_view prefix, std::string_view* rest) {
  if (!rest->starts_with(prefix)) return false;
  rest->remove_prefix(prefix.size());
  return true;
}

bool IsReplid(std::string_view text) {
  return text.size() == kReplidDigits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

bool ParseFields(std::string_view text, StreamMark* mark) {
  if (TakeUntil(' ', &text) != "v1") return false;
  auto engine = EngineVersion::Parse(TakeUntil(' ', &text));
  if (!engine.ok()) return false;
  mark->engine = *std::move(engine);
  mark->replid = TakeUntil(' ', &text);
  if (!IsReplid(mark->replid) || !ParseNumber(TakeUntil(' ', &text), &mark->end_offset)) {
    return false;
  }
  if (!TakePrefix("db=", &text) || !ParseNumber(TakeUntil(' ', &text), &mark->db)) return false;
  return text.empty() || ParseRun(text, &mark->part, &mark->run_number);
}

}  // namespace

absl::StatusOr<EngineVersion> EngineVersion::Parse(std::string_view text) {
  EngineVersion engine;
  std::string_view rest = text;
  engine.name = TakeUntil('/', &rest);
  const bool named =
      !engine.name.empty() && std::all_of(engine.name.begin(), engine.name.end(),
                                          [](char c) { return c >= 'a' && c <= 'z'; });
  if (named && ParseNumber(TakeUntil('.', &rest), &engine.major) &&
      ParseNumber(TakeUntil('.', &rest), &engine.minor) && ParseNumber(rest, &engine.patch)) {
    return engine;
  }
  return absl::InvalidArgumentError(
      fmt::format("'{}' is no engine's version; expected for example redis/7.0.15", text));
}

std::string EngineVersion::ToText() const {
  return fmt::format("{}/{}.{}.{}", name, major, minor, patch);
}

bool Understands(const EngineVersion& reader, const EngineVersion& writer) {
  const auto number = [](const EngineVersion& engine) {
    return std::tuple(engine.major, engine.minor);
  };
  if (number(writer) > number(reader)) return false;
  return writer.name == reader.name || number(writer) <= std::tuple(7u, 2u);
}

absl::StatusOr<StreamMark> StreamMark::Parse(std::string_view text) {
  StreamMark mark;
  // What reads back differently (a leading zero, a blank too many) was not written by us.
  if (ParseFields(text, &mark) && mark.ToText() == text) return mark;
  return absl::InvalidArgumentError(
      fmt::format("'{}' is not of the form '{}'", text.substr(0, 200), kForm));
}

std::string StreamMark::ToText() const {
  std::string text = fmt::format("v1 {} {} {} db={}", engine.ToText(), replid, end_offset, db);
  if (part != RunPart::kNone) text += " " + RunText(part, run_number);
  return text;
}

}  // namespace cairn::adapter::redis
