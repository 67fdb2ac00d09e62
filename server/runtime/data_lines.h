// DataLines: what `cairnd --check-data` and `--recover-data` say to the tool that started them: one
// JSON object a line, on stdout.
//
// Threads: one.
#pragma once

#include <nlohmann/json.hpp>

#include "absl/status/status.h"
#include "base/clock.h"
#include "storage/check_report.h"

namespace cairn::server {

using DataJson = nlohmann::ordered_json;

// {what: json}
void TellLine(const char* what, DataJson json);
void TellFinding(const storage::Finding& finding);
void TellError(const absl::Status& status);
// At most ten a second. `clock` outlives it.
storage::CheckProgress ProgressTeller(const Clock& clock);

}  // namespace cairn::server
