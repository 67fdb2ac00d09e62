// DataCheck: what `cairnd --check-data` finds, gathered from its lines.
//
// The tool has neither the store nor its formats (docs/decisions/024): the node's program, which is
// installed with it, looks, and says one JSON object a line (server/runtime/check_data.h).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
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

struct CheckFindingRow {
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

struct DataCheckView {
  std::string directory;
  bool whole = false;
  uint64_t files = 0;
  ByteCount bytes;
  std::string recovery;
  std::vector<CheckedLogRow> logs;
  std::vector<CheckFindingRow> findings;
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

struct DataCheckProgress {
  std::string stage;
  uint64_t done = 0;
  uint64_t total = 0;
};

class DataCheck {
 public:
  explicit DataCheck(std::string directory) { view_.directory = std::move(directory); }

  // Takes one line. Errors: the one that the line tells of; kInternal for a line that is none.
  absl::Status Take(std::string_view line);
  // The result was told: nothing is missing.
  [[nodiscard]] bool complete() const { return complete_; }
  [[nodiscard]] const DataCheckView& view() const { return view_; }
  [[nodiscard]] const DataCheckProgress& progress() const { return progress_; }

 private:
  absl::Status TakeParsed(const Json& line);

  DataCheckView view_;
  DataCheckProgress progress_;
  bool complete_ = false;
};

}  // namespace cairn::cli
