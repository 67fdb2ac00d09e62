#include "cli/data_recovery.h"

#include <fmt/format.h>

namespace cairn::cli {
namespace {

RecoveredLogRow LogRow(const Json& log) {
  RecoveredLogRow row;
  row.name = log.at("name").get<std::string>();
  row.kept = log.at("kept").get<bool>();
  row.log_id = log.at("id").get<uint64_t>();
  row.old_log_id = log.at("old_id").get<uint64_t>();
  row.missing = log.at("missing").get<std::string>();
  if (!row.kept) return row;
  row.first_seq = Seq(log.at("first_seq").get<uint64_t>());
  row.last_seq = Seq(log.at("last_seq").get<uint64_t>());
  row.committed_seq = Seq(log.at("committed_seq").get<uint64_t>());
  row.chain = {ParseHash(log.at("chain").get<std::string>()).value_or(0)};
  row.newest = {log.at("newest_us").get<int64_t>()};
  row.age = {log.at("age_ms").get<uint64_t>()};
  row.leases_ended = log.at("leases_ended").get<uint64_t>();
  row.producers_dropped = log.at("producers_dropped").get<uint64_t>();
  return row;
}

}  // namespace

void DataRecovery::TakeRow(const Json& line) {
  if (line.contains("log")) {
    view_.logs.push_back(LogRow(line["log"]));
    view_.complete = view_.complete && !line["log"].at("known").get<bool>();
  }
  if (line.contains("finding")) {
    view_.findings.push_back(FindingRow(line["finding"]));
    view_.complete = view_.complete && view_.findings.back().kind != "damage";
  }
  if (line.contains("result")) TakeResult(line["result"]);
}

void DataRecovery::TakeResult(const Json& result) {
  view_.directory = result.at("directory").get<std::string>();
  view_.old_cluster_id = result.at("old_cluster_id").get<std::string>();
  view_.cluster_id = result.at("cluster_id").get<std::string>();
  view_.node_id = result.at("node_id").get<uint64_t>();
  view_.name = result.at("name").get<std::string>();
  view_.address = result.at("address").get<std::string>();
  if (view_.directory.empty()) {
    view_.next = {{"nothing was made: leave out --dry-run to make it"}};
    return;
  }
  view_.next = {
      {fmt::format("start the node as before, with --data-dir {} and --name {}", view_.directory,
                   view_.name)},
      {"give every old member that comes back an empty directory before it is started"},
      {"add members: cairn cluster add NAME --address HOST:PORT, then start them with --join"},
      {"start agents anew: they find the logs by their names, under new ids"},
  };
}

}  // namespace cairn::cli
