#include "server/runtime/data_lines.h"

#include <fmt/format.h>

#include <cstdio>
#include <string_view>
#include <utility>

#include "base/strings.h"

namespace cairn::server {
namespace {

constexpr MonoMicros kTellEveryUs = kMicrosPerSecond / 10;

}  // namespace

void TellLine(const char* what, DataJson json) {
  DataJson line = DataJson::object();
  line[what] = std::move(json);
  fmt::print("{}\n", line.dump(-1, ' ', false, DataJson::error_handler_t::replace));
}

void TellFinding(const storage::Finding& finding) {
  const bool damage = finding.kind == storage::Finding::Kind::kDamage;
  TellLine("finding", {{"kind", damage ? "damage" : "remark"},
                       {"file", finding.file},
                       {"what", finding.what},
                       {"advice", finding.advice}});
}

void TellError(const absl::Status& status) {
  TellLine("error",
           {{"code", static_cast<int>(status.code())}, {"message", ToStd(status.message())}});
}

storage::CheckProgress ProgressTeller(const Clock& clock) {
  return [&clock, told_us = MonoMicros{0}](std::string_view stage, uint64_t done,
                                           uint64_t total) mutable {
    const MonoMicros now_us = clock.Mono();
    if (now_us - told_us < kTellEveryUs) return;
    told_us = now_us;
    TellLine("progress", {{"stage", stage}, {"done", done}, {"total", total}});
    std::fflush(stdout);
  };
}

}  // namespace cairn::server
