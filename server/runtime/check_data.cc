#include "server/runtime/check_data.h"

#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/strings.h"
#include "storage/dir_check.h"

namespace cairn::server {
namespace {

using Json = nlohmann::ordered_json;

constexpr MonoMicros kTellEveryUs = kMicrosPerSecond / 10;

void Tell(const char* what, Json json) {
  Json line = Json::object();
  line[what] = std::move(json);
  fmt::print("{}\n", line.dump(-1, ' ', false, Json::error_handler_t::replace));
}

void TellLog(const storage::CheckedLog& log) {
  Tell("log", {{"id", log.id.value()},
               {"name", log.name},
               {"removed", log.removed},
               {"entries", log.entries},
               {"records", log.records},
               {"bytes", log.bytes},
               {"first_seq", log.first_seq.value()},
               {"last_seq", log.last_seq.value()},
               {"chain", fmt::format("{:016x}", log.chain)},
               {"damage", log.damage}});
}

void TellFinding(const storage::Finding& finding) {
  const bool damage = finding.kind == storage::Finding::Kind::kDamage;
  Tell("finding", {{"kind", damage ? "damage" : "remark"},
                   {"file", finding.file},
                   {"what", finding.what},
                   {"advice", finding.advice}});
}

storage::CheckProgress Teller(const Clock& clock) {
  return [&clock, told_us = MonoMicros{0}](std::string_view stage, uint64_t done,
                                           uint64_t total) mutable {
    const MonoMicros now_us = clock.Mono();
    if (now_us - told_us < kTellEveryUs) return;
    told_us = now_us;
    Tell("progress", {{"stage", stage}, {"done", done}, {"total", total}});
    std::fflush(stdout);
  };
}

}  // namespace

bool CheckData(const std::string& dir) {
  const absl::StatusOr<storage::CheckReport> report =
      storage::CheckDirectory(dir, Teller(SystemClock()));
  if (!report.ok()) {
    Tell("error", {{"code", static_cast<int>(report.status().code())},
                   {"message", ToStd(report.status().message())}});
    return false;
  }
  for (const storage::CheckedLog& log : report->logs) TellLog(log);
  for (const storage::Finding& finding : report->findings) TellFinding(finding);
  Tell("result", {{"whole", report->whole()},
                  {"files", report->files},
                  {"bytes", report->bytes},
                  {"recovery", report->recovery}});
  return std::fflush(stdout) == 0;
}

}  // namespace cairn::server
