#include "adapter/mark_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace cairn::adapter {
namespace {

constexpr std::string_view kRun = "run=";

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
  CHECK_UNREACHABLE();
}

}  // namespace

std::string_view TakeUntil(char delimiter, std::string_view* rest) {
  const std::string_view taken = rest->substr(0, rest->find(delimiter));
  rest->remove_prefix(std::min(rest->size(), taken.size() + 1));
  return taken;
}

bool ParseRun(std::string_view text, RunPart* part, uint64_t* number) {
  if (!text.starts_with(kRun)) return false;
  text.remove_prefix(kRun.size());
  if (!ParseNumber(TakeUntil('/', &text), number) || *number == 0) return false;
  for (const RunPart one : {RunPart::kFirst, RunPart::kMiddle, RunPart::kLast}) {
    if (text == PartName(one)) *part = one;
  }
  return *part != RunPart::kNone && (*number == 1) == (*part == RunPart::kFirst);
}

std::string RunText(RunPart part, uint64_t number) {
  return fmt::format("{}{}/{}", kRun, number, PartName(part));
}

}  // namespace cairn::adapter
