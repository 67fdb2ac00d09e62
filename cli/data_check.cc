#include "cli/data_check.h"

namespace cairn::cli {
namespace {

CheckedLogRow LogRow(const Json& log) {
  CheckedLogRow row;
  row.log_id = log.at("id").get<uint64_t>();
  row.name = log.at("name").get<std::string>();
  if (row.log_id == 0) row.name = "(catalog)";
  row.entries = log.at("entries").get<uint64_t>();
  row.records = log.at("records").get<uint64_t>();
  row.bytes = {log.at("bytes").get<uint64_t>()};
  row.first_seq = Seq(log.at("first_seq").get<uint64_t>());
  row.last_seq = Seq(log.at("last_seq").get<uint64_t>());
  row.chain = {ParseHash(log.at("chain").get<std::string>()).value_or(0)};
  row.verdict = log.at("damage").get<std::string>();
  if (row.verdict.empty()) {
    row.verdict = log.at("removed").get<bool>() ? "whole, in the trash" : "whole";
  }
  return row;
}

}  // namespace

void DataCheck::TakeRow(const Json& line) {
  if (line.contains("log")) view_.logs.push_back(LogRow(line["log"]));
  if (line.contains("finding")) view_.findings.push_back(FindingRow(line["finding"]));
  if (line.contains("result")) {
    const Json& result = line["result"];
    view_.whole = result.at("whole").get<bool>();
    view_.files = result.at("files").get<uint64_t>();
    view_.bytes = {result.at("bytes").get<uint64_t>()};
    view_.recovery = result.at("recovery").get<std::string>();
  }
}

}  // namespace cairn::cli
