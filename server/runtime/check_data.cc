#include "server/runtime/check_data.h"

#include <fmt/format.h>

#include <cstdio>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "server/runtime/data_lines.h"
#include "storage/dir_check.h"

namespace cairn::server {
namespace {

void TellLog(const storage::CheckedLog& log) {
  TellLine("log", {{"id", log.id.value()},
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

}  // namespace

bool CheckData(const std::string& dir) {
  const absl::StatusOr<storage::CheckReport> report =
      storage::CheckDirectory(dir, ProgressTeller(SystemClock()));
  if (!report.ok()) {
    TellError(report.status());
    return false;
  }
  for (const storage::CheckedLog& log : report->logs) TellLog(log);
  for (const storage::Finding& finding : report->findings) TellFinding(finding);
  TellLine("result", {{"whole", report->whole()},
                      {"files", report->files},
                      {"bytes", report->bytes},
                      {"recovery", report->recovery}});
  return std::fflush(stdout) == 0;
}

}  // namespace cairn::server
