// CheckLinearizable: whether some order of a history's operations, each at one moment between its
// begin and its end, explains every answer.
//
// The model is one log as docs/semantics.md describes it: last seq, cumulative chain, the lease
// (epoch, holder) and the fence (log_model.h). Since the chain covers all records, an answer that
// shows it vouches for the whole prefix. No clock takes part: a held lease may expire at any
// moment, by a record of the leader's own or in one batch with the next grant. That nobody
// acts on a lease for too long is another check.
//
// The search is Wing and Gong's with Lowe's list of calls and returns, undo, and memory of
// configurations (set of ordered operations, state) that led nowhere. It is exact: no hash stands
// for a set. With History::committed nearly every step is forced, and the time is linear in the
// history; without it, unanswered appends that stand in a row, unseen by anybody between them, are
// tried in every order, until the bound.
//
// Threads: none of its own; a pure function.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/history/history_types.h"

namespace cairn::history {

struct CheckOptions {
  // Configurations looked at, besides one for each operation, before the verdict is kUndecided.
  uint64_t max_configurations = 1'000'000;
  // Lets CONDITION_FAILED and LEASE_LOST show an older state than that of a moment between
  // call and answer, as long as it makes the refusal true for ever (a deposed leader's,
  // docs/decisions/008). What was asked must still be refused at such a moment.
  bool refusals_may_show_the_past = false;
};

struct Verdict {
  enum class Kind : uint8_t {
    kLinearizable,
    kViolation,
    kUndecided,  // The bound was reached. Not a pass.
  };
  Kind kind = Kind::kUndecided;
  // Why not, for people, at most 15 lines; empty when linearizable.
  std::vector<std::string> explanation;
  // Positions in History::operations in an order that explains the history (linearizable) or
  // the longest one that was found. Unanswered operations that never took effect, refusals that
  // reveal nothing, and what the leader did by itself do not occur.
  std::vector<size_t> order;
  uint64_t configurations = 0;

  [[nodiscard]] bool ok() const { return kind == Kind::kLinearizable; }
  // The explanation, one line each.
  [[nodiscard]] std::string Text() const;
};

Verdict CheckLinearizable(const History& history, const CheckOptions& options = {});

}  // namespace cairn::history
