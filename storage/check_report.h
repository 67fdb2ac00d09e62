// What a check of a data directory finds (dir_check.h): plain structs, for whoever shows them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"

namespace cairn::storage {

struct Finding {
  // A remark is worth knowing, but takes nothing from the data: a torn turn that was never
  // acknowledged, files that are left over.
  enum class Kind : uint8_t { kDamage, kRemark };
  Kind kind = Kind::kDamage;
  std::string file;    // Below the directory: "db/000012.sst". Empty: no single one.
  std::string what;    // Where in it, and what is wrong there.
  std::string advice;  // What to do; empty for most remarks.
};

// One group, that is, the catalog or one log, as far as it can be read.
struct CheckedLog {
  GroupId id;
  std::string name;      // From the catalog; "" when it is not told there.
  bool removed = false;  // In the trash.
  uint64_t entries = 0;
  uint64_t records = 0;
  uint64_t bytes = 0;  // Payloads of the entries.
  Seq first_seq;       // Of the oldest kept record; one past last_seq without records.
  Seq last_seq;
  uint64_t chain = 0;  // After last_seq, recomputed.
  std::string damage;  // Empty: whole.
};

struct CheckReport {
  std::vector<CheckedLog> logs;  // By id.
  std::vector<Finding> findings;
  uint64_t files = 0;
  uint64_t bytes = 0;    // Of all files.
  std::string recovery;  // How a start would judge the log's end; "" if that could not be told.

  void Add(Finding finding) { findings.push_back(std::move(finding)); }
  [[nodiscard]] bool whole() const {
    for (const Finding& finding : findings) {
      if (finding.kind == Finding::Kind::kDamage) return false;
    }
    return true;
  }
};

// What has been done of one stage: "files", then "logs". Bytes.
using CheckProgress = std::function<void(std::string_view stage, uint64_t done, uint64_t total)>;

}  // namespace cairn::storage
