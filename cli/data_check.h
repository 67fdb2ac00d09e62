// DataCheck: what `cairnd --check-data` finds, gathered from its lines
// (server/runtime/check_data.h).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "cli/data_lines.h"
#include "cli/view.h"

namespace cairn::cli {

struct CheckedLogRow {
  uint64_t log_id = 0;
  std::string name;
  uint64_t entries = 0;
  uint64_t records = 0;
  ByteCount bytes;
  Seq first_seq;
  Seq last_seq;
  Hash chain;
  std::string verdict;  // "whole", "whole, in the trash", or what is wrong.
  template <class F>
  void Fields(F&& field) const {
    field("log_id", log_id);
    field("name", name);
    field("entries", entries);
    field("records", records);
    field("bytes", bytes);
    field("first_seq", first_seq);
    field("last_seq", last_seq);
    field("chain", chain);
    field("verdict", verdict);
  }
};

struct DataCheckView {
  std::string directory;
  bool whole = false;
  uint64_t files = 0;
  ByteCount bytes;
  std::string recovery;
  std::vector<CheckedLogRow> logs;
  std::vector<DataFindingRow> findings;
  template <class F>
  void Fields(F&& field) const {
    field("directory", directory);
    field("whole", whole);
    field("files", files);
    field("bytes", bytes);
    field("recovery", recovery);
    field("logs", logs);
    field("findings", findings);
  }
};

class DataCheck final : public DataLines {
 public:
  explicit DataCheck(std::string directory) { view_.directory = std::move(directory); }
  [[nodiscard]] const DataCheckView& view() const { return view_; }

 private:
  void TakeRow(const Json& line) override;

  DataCheckView view_;
};

}  // namespace cairn::cli
