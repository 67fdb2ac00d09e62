// SegmentTable: the shape of one group's log, without its data.
//
// A log is contiguous: entries before_index()+1 … last_index(), cut into segments that each
// begin after a given entry; terms ascend along it. Both stores keep one table per group to
// judge a write before it is made (a hole or a segment out of place is a bug, CHECKed here)
// and to know what a trim or a replaced suffix drops.
//
// Bytes are counted as a running sum over the payloads since the log began, so the size of a
// segment is the difference of two sums and nothing is recounted when one is dropped.
//
// Threads: not safe; belongs to the writer. Size: one row per segment and per term change.
#pragma once

#include <cstdint>
#include <vector>

#include "base/ids.h"
#include "storage/log_store.h"

namespace cairn::storage {

class SegmentTable {
 public:
  struct Segment {
    Index before_index;
    Term before_term;
    Seq first_seq;              // First seq that a record in it has or will have.
    uint64_t bytes_before = 0;  // Running sum through before_index.
    bool operator==(const Segment&) const = default;
  };

  // An empty log that begins after (0, 0), without a segment.
  SegmentTable() = default;
  // As found on disk. Requires: both lists ascend. `bytes` is the running sum at `last`.
  SegmentTable(std::vector<Segment> segments, std::vector<StoredGroup::TermRow> terms, Index last,
               uint64_t bytes);

  [[nodiscard]] Index before_index() const {
    return segments_.empty() ? Index() : segments_.front().before_index;
  }
  [[nodiscard]] Term before_term() const {
    return segments_.empty() ? Term() : segments_.front().before_term;
  }
  [[nodiscard]] Index last_index() const { return last_; }
  // Running sum of payload bytes at last_index().
  [[nodiscard]] uint64_t bytes() const { return bytes_; }
  [[nodiscard]] const std::vector<Segment>& segments() const { return segments_; }
  // First index of each term among the kept entries, ascending.
  [[nodiscard]] const std::vector<StoredGroup::TermRow>& terms() const { return terms_; }
  [[nodiscard]] bool Holds(Index index) const { return index > before_index() && index <= last_; }
  // Payload bytes of each segment, in order.
  [[nodiscard]] std::vector<uint64_t> SegmentBytes() const;

  // Forgets everything; the log now begins with this segment.
  void Install(const SegmentRow& row);
  // Drops the entries after `last`, and segments that would begin behind it. `bytes` is the
  // running sum at `last`. Requires: before_index() <= last <= last_index().
  void CutAfter(Index last, uint64_t bytes);
  // Adds the next entry. Returns whether it is the first of its term. Requires: `index`
  // follows last_index() and the term does not fall.
  bool Append(Index index, Term term, uint64_t payload_bytes);
  // Adds a run of entries through `last`, in which terms begin as `terms` says, the first of them
  // with the first entry; `bytes` is the running sum at its end. Returns the rows that are new.
  // Requires: as Append.
  std::vector<StoredGroup::TermRow> AppendRun(const std::vector<StoredGroup::TermRow>& terms,
                                              Index last, uint64_t bytes);
  // A segment begins after `before_index`. Requires: that entry is held (or is the one before
  // the first). One that is already known is written over.
  void AddSegment(Segment segment);
  // Drops all segments before the one that begins after `to`. Requires: there is one.
  void TrimTo(Index to);

 private:
  std::vector<Segment> segments_;
  std::vector<StoredGroup::TermRow> terms_;
  Index last_;
  uint64_t bytes_ = 0;
};

}  // namespace cairn::storage
