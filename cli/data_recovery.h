// DataRecovery: what `cairnd --recover-data` tells, gathered from its lines
// (server/runtime/recover_data.h).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/data_lines.h"
#include "cli/view.h"

namespace cairn::cli {

struct RecoveredLogRow {
  std::string name;
  bool kept = false;
  uint64_t log_id = 0;  // In the new cluster; 0: not kept.
  uint64_t old_log_id = 0;
  Seq first_seq;
  Seq last_seq;       // The last one kept, before the records by which leases ended.
  Seq committed_seq;  // Known to have been committed through here; what is behind it may have been.
  Hash chain;         // At last_seq.
  LogTime newest;
  DurationMs age;  // Of the newest record.
  uint64_t leases_ended = 0;
  uint64_t producers_dropped = 0;
  std::string missing;  // What is, or may be, missing; "": nothing is known.
  template <class F>
  void Fields(F&& field) const {
    field("name", name);
    field("kept", kept);
    field("log_id", log_id);
    field("old_log_id", old_log_id);
    field("first_seq", first_seq);
    field("last_seq", last_seq);
    field("committed_seq", committed_seq);
    field("chain", chain);
    field("newest_us", newest);
    field("age_ms", age);
    field("leases_ended", leases_ended);
    field("producers_dropped", producers_dropped);
    field("missing", missing);
  }
};

struct NextStepRow {
  std::string step;
  template <class F>
  void Fields(F&& field) const {
    field("step", step);
  }
};

struct DataRecoveryView {
  std::string from;
  std::string directory;  // The new one; "" in a dry run.
  std::string old_cluster_id;
  std::string cluster_id;
  uint64_t node_id = 0;
  std::string name;
  std::string address;
  bool complete = true;  // Nothing is known to be missing.
  std::vector<RecoveredLogRow> logs;
  std::vector<DataFindingRow> findings;
  std::vector<NextStepRow> next;  // What to do now.
  template <class F>
  void Fields(F&& field) const {
    field("from", from);
    field("directory", directory);
    field("old_cluster_id", old_cluster_id);
    field("cluster_id", cluster_id);
    field("node_id", node_id);
    field("name", name);
    field("address", address);
    field("complete", complete);
    field("logs", logs);
    field("findings", findings);
    field("next", next);
  }
};

class DataRecovery final : public DataLines {
 public:
  explicit DataRecovery(std::string from) { view_.from = std::move(from); }
  [[nodiscard]] const DataRecoveryView& view() const { return view_; }

 private:
  void TakeRow(const Json& line) override;
  void TakeResult(const Json& result);

  DataRecoveryView view_;
};

}  // namespace cairn::cli
