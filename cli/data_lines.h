// DataLines: what cairnd says of a data directory, one JSON object a line.
//
// The tool has neither the store nor its formats (docs/decisions/024): the node's program, which is
// installed with it, reads and writes directories, and tells (server/runtime/data_lines.h). Each
// kind of work takes its own lines; progress and errors are the same for all.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "cli/view.h"

namespace cairn::cli {

struct DataProgress {
  std::string stage;
  uint64_t done = 0;
  uint64_t total = 0;
};

class DataLines {
 public:
  virtual ~DataLines() = default;
  // Takes one line. Errors: the one that the line tells of; kInternal for a line that is none.
  absl::Status Take(std::string_view line);
  // The result was told: nothing is missing.
  [[nodiscard]] bool complete() const { return complete_; }
  [[nodiscard]] const DataProgress& progress() const { return progress_; }

 private:
  // Every line that is neither progress nor an error. May throw as Json does.
  virtual void TakeRow(const Json& line) = 0;
  absl::Status TakeParsed(const Json& line);

  DataProgress progress_;
  bool complete_ = false;
};

// One finding, as of storage/check_report.h.
struct DataFindingRow {
  std::string kind;  // "damage" or "remark".
  std::string file;
  std::string what;
  std::string advice;
  template <class F>
  void Fields(F&& field) const {
    field("kind", kind);
    field("file", file);
    field("what", what);
    field("advice", advice);
  }
};
DataFindingRow FindingRow(const Json& finding);

}  // namespace cairn::cli
