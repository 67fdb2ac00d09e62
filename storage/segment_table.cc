#include "storage/segment_table.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace cairn::storage {

SegmentTable::SegmentTable(std::vector<Segment> segments, std::vector<StoredGroup::TermRow> terms,
                           Index last, uint64_t bytes)
    : segments_(std::move(segments)), terms_(std::move(terms)), last_(last), bytes_(bytes) {
  CHECK_GE(last_, before_index());
}

std::vector<uint64_t> SegmentTable::SegmentBytes() const {
  std::vector<uint64_t> sizes;
  sizes.reserve(segments_.size());
  for (size_t i = 0; i < segments_.size(); ++i) {
    const uint64_t end = i + 1 < segments_.size() ? segments_[i + 1].bytes_before : bytes_;
    sizes.push_back(end - segments_[i].bytes_before);
  }
  return sizes;
}

void SegmentTable::Install(const SegmentRow& row) {
  segments_.assign(1, Segment{row.before_index, row.before_term, row.first_seq, 0});
  terms_.clear();
  last_ = row.before_index;
  bytes_ = 0;
}

void SegmentTable::CutAfter(Index last, uint64_t bytes) {
  CHECK_GE(last, before_index());
  CHECK_LE(last, last_);
  while (!terms_.empty() && terms_.back().first > last) terms_.pop_back();
  while (!segments_.empty() && segments_.back().before_index > last) segments_.pop_back();
  last_ = last;
  bytes_ = bytes;
}

bool SegmentTable::Append(Index index, Term term, uint64_t payload_bytes) {
  CHECK_EQ(index, last_ + 1);
  const Term last_term = terms_.empty() ? before_term() : terms_.back().term;
  CHECK_GE(term, last_term);
  last_ = index;
  bytes_ += payload_bytes;
  if (!terms_.empty() && term == last_term) return false;
  terms_.push_back({index, term});
  return true;
}

std::vector<StoredGroup::TermRow> SegmentTable::AppendRun(
    const std::vector<StoredGroup::TermRow>& terms, Index last, uint64_t bytes) {
  CHECK_EQ(terms.front().first, last_ + 1);
  CHECK_GE(last, terms.back().first);
  std::vector<StoredGroup::TermRow> added;
  for (const StoredGroup::TermRow& row : terms) {
    last_ = row.first.Previous();
    if (Append(row.first, row.term, 0)) added.push_back(row);
  }
  last_ = last;
  bytes_ = bytes;
  return added;
}

void SegmentTable::AddSegment(Segment segment) {
  CHECK_GE(segment.before_index, before_index());
  CHECK_LE(segment.before_index, last_);
  const auto at = std::lower_bound(
      segments_.begin(), segments_.end(), segment.before_index,
      [](const Segment& s, Index before_index) { return s.before_index < before_index; });
  if (at != segments_.end() && at->before_index == segment.before_index) {
    *at = segment;
  } else {
    segments_.insert(at, segment);
  }
}

void SegmentTable::TrimTo(Index to) {
  const auto kept = std::find_if(segments_.begin(), segments_.end(),
                                 [&](const Segment& s) { return s.before_index == to; });
  CHECK(kept != segments_.end());
  segments_.erase(segments_.begin(), kept);
  // The term of the first kept entry may have begun before it.
  const auto beyond = std::find_if(terms_.begin(), terms_.end(),
                                   [&](const auto& row) { return row.first > to + 1; });
  if (beyond == terms_.begin()) return;
  terms_.erase(terms_.begin(), beyond - 1);
  if (to == last_) {
    terms_.clear();
  } else {
    terms_.front().first = to + 1;
  }
}

}  // namespace cairn::storage
