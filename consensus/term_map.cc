#include "consensus/term_map.h"

#include <algorithm>

#include "base/check.h"
#include "base/planted_bug.h"

namespace cairn::consensus {

Position TermMap::Last() const { return {runs_.empty() ? before_.term : runs_.back().term, last_}; }

std::optional<Term> TermMap::At(Index index) const {
  if (index < before_.index || index > last_) return std::nullopt;
  if (index == before_.index) return before_.term;
  if (index >= runs_.back().first) return runs_.back().term;  // Nearly always.
  // The last run that begins at or before `index`.
  auto run = std::upper_bound(runs_.begin(), runs_.end(), index,
                              [](Index i, const Run& r) { return i < r.first; });
  CHECK(run != runs_.begin());
  return std::prev(run)->term;
}

bool TermMap::Matches(Position position) const { return At(position.index) == position.term; }

Position TermMap::LastAtMost(Index index, Term term) const {
  index = std::min(index, last_);
  for (auto run = runs_.rbegin(); run != runs_.rend(); ++run) {
    if (run->first <= index && run->term <= term) return {run->term, index};
    index = std::min(index, run->first.Previous());
  }
  return before_;
}

void TermMap::Append(Index last, Term term) {
  CHECK_GT(last, last_);
  CHECK_GE(term, Last().term);
  if (runs_.empty() || runs_.back().term != term) runs_.push_back({last_ + 1, term});
  last_ = last;
}

void TermMap::TruncateAfter(Index last) {
  CHECK_GE(last, before_.index);
  if (last >= last_) return;
  while (!runs_.empty() && runs_.back().first > last) runs_.pop_back();
  last_ = last;
}

void TermMap::TrimThrough(Index index) {
  const std::optional<Term> term = At(index);
  CHECK(term.has_value());
  before_ = {index < last_ && PLANTED(kTermOfNextEntry) ? *At(index + 1) : *term, index};
  while (!runs_.empty() && (runs_.size() > 1 ? runs_[1].first <= index + 1 : last_ <= index)) {
    runs_.pop_front();
  }
  if (!runs_.empty()) runs_.front().first = std::max(runs_.front().first, index + 1);
}

void TermMap::Reset(Position before) {
  before_ = before;
  last_ = before.index;
  runs_.clear();
}

}  // namespace cairn::consensus
