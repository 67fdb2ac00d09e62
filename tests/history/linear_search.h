// LinearSearch: looks for an order of a model's steps that respects time and that the model
// accepts (Wing and Gong 1993, Lowe 2016).
//
// A configuration is the set of steps ordered so far and the state behind them. Next may come any
// step whose call stands before the first return of those that are left. From each configuration:
//   1. steps that change nothing and fit are ordered at once. That is never wrong: the state
//      stays, and the rest is only freed;
//   2. each step that may change the log and fits is a choice. One that would take another's
//      seq, or pass by what somebody still has to see, is none;
//   3. without a choice the last one is undone.
// Configurations with more than one choice are remembered, each by its whole set (without the
// part in which everything answered is ordered) and state.
//
// Iterative: the depth is that of the history.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "tests/history/linearizability.h"
#include "tests/history/log_model.h"

namespace cairn::history {

// The calls and returns of steps that are not ordered yet, by time; calls before returns of the
// same microsecond. Removal is undone in the opposite order (Knuth's dancing links).
class CallList {
 public:
  using Entry = uint32_t;  // 2 * step: its call; 2 * step + 1: its return.

  explicit CallList(const std::vector<Step>& steps);

  [[nodiscard]] Entry first() const { return next_[end()]; }
  [[nodiscard]] Entry next(Entry entry) const { return next_[entry]; }
  [[nodiscard]] Entry before(Entry entry) const { return previous_[entry]; }
  [[nodiscard]] Entry end() const { return static_cast<Entry>(next_.size() - 1); }
  [[nodiscard]] bool IsReturn(Entry entry) const { return entry != end() && entry % 2 == 1; }

  // Calls that stand before the first return.
  template <class Visit>
  void ForEachCandidate(Visit&& visit) const {
    for (Entry e = first(); e != end() && !IsReturn(e); e = next_[e]) visit(e / 2);
  }

  void Remove(uint32_t step);
  void PutBack(uint32_t step);

 private:
  void Unlink(Entry entry);
  void Relink(Entry entry);

  std::vector<Entry> next_;
  std::vector<Entry> previous_;
  std::vector<bool> returns_;  // By step.
};

class LinearSearch {
 public:
  static constexpr uint32_t kUnasked = UINT32_MAX;

  // The model must outlive the search.
  LinearSearch(const LogModel& model, uint64_t max_configurations);

  Verdict::Kind Run();

  [[nodiscard]] uint64_t configurations() const { return configurations_; }
  // Steps in the order that explains the history, or, if there is none, in the longest one; with
  // kUnasked where the leader wrote a record by itself.
  [[nodiscard]] const std::vector<uint32_t>& order() const { return best_; }

 private:
  struct Choice {
    uint32_t step;
    LogModelState after;
  };
  struct Frame {
    LogModelState state;
    size_t ordered;       // Length of `order_` here.
    size_t first_choice;  // In `choices_`.
    size_t next_choice;
  };

  // Enters the configuration behind the last choice. True when everything is ordered.
  bool Enter(LogModelState state);
  void OrderWhatLooks(LogModelState& state);
  void CollectChoices(const LogModelState& state);
  // Whether moving the log passes by nothing that is left.
  [[nodiscard]] bool Clear(std::optional<Seq> own_claim, Seq from, Seq to) const;
  // False when this configuration was looked at before.
  bool Remember(const LogModelState& state);
  void NoteDeadEnd();

  void Place(uint32_t step);
  void UndoTo(size_t ordered);
  // Counts that Clear looks at.
  void Count(const Step& step, int change);

  const LogModel& model_;
  const std::vector<Step>& steps_;
  const uint64_t max_configurations_;
  uint64_t configurations_ = 0;

  CallList left_;
  std::vector<bool> ordered_;                    // By step.
  absl::flat_hash_map<uint64_t, int> claims_;    // Steps left that claim a seq.
  absl::flat_hash_map<uint64_t, int> looks_at_;  // Steps left that fit at a last seq only.
  size_t required_left_ = 0;

  std::vector<uint32_t> order_;
  std::vector<Frame> frames_;
  std::vector<Choice> choices_;

  // Rank of each step among the required or among the unanswered ones, by begin, and the two sets
  // as words; for the memory.
  std::vector<uint32_t> rank_;
  std::vector<uint64_t> required_words_;
  std::vector<uint64_t> unanswered_words_;
  absl::flat_hash_set<std::string> memory_;

  size_t best_required_left_ = SIZE_MAX;
  std::vector<uint32_t> best_;
};

}  // namespace cairn::history
