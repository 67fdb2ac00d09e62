#include "cli/data_lines.h"

#include <fmt/format.h>

#include "base/strings.h"

namespace cairn::cli {

absl::Status DataLines::Take(std::string_view line) {
  try {
    return TakeParsed(Json::parse(line));
  } catch (const Json::exception&) {
    return absl::InternalError(ToAbsl(fmt::format(
        "cairnd answered \"{}\", which this tool does not understand: install both in one version",
        line.substr(0, 200))));
  }
}

absl::Status DataLines::TakeParsed(const Json& line) {
  if (line.contains("error")) {
    const Json& error = line["error"];
    return {static_cast<absl::StatusCode>(error.at("code").get<int>()),
            ToAbsl(error.at("message").get_ref<const std::string&>())};
  }
  if (line.contains("progress")) {
    const Json& progress = line["progress"];
    progress_ = {.stage = progress.at("stage").get<std::string>(),
                 .done = progress.at("done").get<uint64_t>(),
                 .total = progress.at("total").get<uint64_t>()};
    return absl::OkStatus();
  }
  TakeRow(line);
  complete_ = complete_ || line.contains("result");
  return absl::OkStatus();
}

DataFindingRow FindingRow(const Json& finding) {
  return {.kind = finding.at("kind").get<std::string>(),
          .file = finding.at("file").get<std::string>(),
          .what = finding.at("what").get<std::string>(),
          .advice = finding.at("advice").get<std::string>()};
}

}  // namespace cairn::cli
