// RunPath: of all runs that lie in a log's folder, those that make up the log.
//
// Each run begins where one that was registered with the log ends, at the same seq and on the same
// chain: the runs are a tree, whose root is the log's beginning. A leader that was deposed before
// it registered its run leaves a dead end; so does a history that was given up (`cairn recover`).
// The path is found from its end: a run, the one that ends where it begins, on the chain it begins
// on, and so forth. Where that one is missing there is a gap, and the path goes on with what
// reaches furthest below it.
//
// Pure values; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "storage/archive/run_name.h"

namespace cairn::archive {

struct StoredRun {
  RunName name;
  std::string key;
  uint64_t bytes = 0;
};

// Seqs that no run of the path holds, both ends included.
struct Gap {
  Seq first_seq;
  Seq last_seq;
  friend bool operator==(const Gap&, const Gap&) = default;
};

class RunPath {
 public:
  // Where the path shall end.
  struct End {
    Seq seq;
    uint64_t chain = 0;
  };

  RunPath() = default;
  // `end`: as the log has registered it; nullopt: nobody asked it, and it is where the run with the
  // newest record ends.
  RunPath(std::vector<StoredRun> runs, std::optional<End> end);

  // Ascending, none twice. Between two there may be a gap.
  [[nodiscard]] const std::vector<StoredRun>& runs() const { return runs_; }
  // Ascending. Also one at the end, if the registered one is not there.
  [[nodiscard]] const std::vector<Gap>& gaps() const { return gaps_; }
  // Runs that lead nowhere.
  [[nodiscard]] size_t dead_ends() const { return dead_ends_; }
  // The run that holds `seq`; null: none does.
  [[nodiscard]] const StoredRun* Find(Seq seq) const;
  // The first run, from which on none is missing up to the end; null: there is none.
  [[nodiscard]] const StoredRun* FirstUnbroken() const;
  // The first run with a record at or after that log time; null: there is none.
  [[nodiscard]] const StoredRun* FindTime(int64_t timestamp_us) const;
  // 0 without runs.
  [[nodiscard]] Seq last_seq() const { return runs_.empty() ? Seq() : runs_.back().name.last_seq; }

 private:
  std::vector<StoredRun> runs_;
  std::vector<Gap> gaps_;
  size_t dead_ends_ = 0;
};

}  // namespace cairn::archive
