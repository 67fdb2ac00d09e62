// TermMap: the term of every kept entry, as one pair per change of term.
//
// Also the table behind fast backtracking: a follower finds the last position whose
// term is not above a given one without touching the disk. Thousands of terms cost a
// few kilobytes.
#pragma once

#include <deque>
#include <optional>

#include "consensus/types.h"

namespace cairn::consensus {

class TermMap {
 public:
  // An empty log that begins after `before` ({0, 0}: at the very beginning).
  TermMap() : TermMap(Position()) {}
  explicit TermMap(Position before) : before_(before), last_(before.index) {}

  // Position before the first kept entry, and that of the last one (equal to Before()
  // when the log is empty).
  [[nodiscard]] Position Before() const { return before_; }
  [[nodiscard]] Position Last() const;
  [[nodiscard]] Index FirstIndex() const { return before_.index + 1; }

  // Term of the entry at `index`, or of Before(). Nullopt outside of the kept range.
  [[nodiscard]] std::optional<Term> At(Index index) const;
  [[nodiscard]] bool Matches(Position position) const;
  // The last position at or before `index` whose term is at most `term`; Before() when
  // there is none.
  [[nodiscard]] Position LastAtMost(Index index, Term term) const;

  // Appends entries [Last().index + 1, last] of `term`. Requires: term >= Last().term.
  void Append(Index last, Term term);
  // Drops entries after `last`. Requires: Before().index <= last.
  void TruncateAfter(Index last);
  // Drops entries through `before.index`. Requires: kept and matching.
  void TrimThrough(Index index);
  // Starts over after `before`.
  void Reset(Position before);

 private:
  struct Run {
    Index first;
    Term term;
  };
  Position before_;
  Index last_;
  std::deque<Run> runs_;  // Ascending in both fields.
};

}  // namespace cairn::consensus
