// SegmentList: one log's segments as its group sees them: when the open one is sealed, which
// ones retention and trims may drop, and the snapshot that a lagging replica is sent.
//
// A segment row holds the group's state from before the segment's first entry; it is made
// when everything before it is applied, and is therefore final. The first kept row is at the
// same time the small Raft snapshot (design 5.5).
//
// Sealing depends only on the entries and on log time, so replicas agree on it, except where
// one of them began with a snapshot.
//
// Threads: the group's. Lifetime: the group's.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "base/ids.h"
#include "cairn/v1/log.pb.h"
#include "storage/log_store.h"

namespace cairn::server {

class SegmentList {
 public:
  explicit SegmentList(uint64_t default_segment_bytes)
      : default_segment_bytes_(default_segment_bytes) {}

  // Starts over with `row` as the open segment.
  void Reset(storage::SegmentRow row);
  // A row that is stored, with the bytes of its segment as far as known. Rows come in order.
  void Restore(storage::SegmentRow row, uint64_t bytes);

  // The entry at `index` was applied.
  void OnApplied(Index index, uint64_t payload_bytes) {
    applied_ = index;
    segments_.back().bytes += payload_bytes;
    applied_bytes_ += payload_bytes;
  }

  // Whether the next entry should open a new segment, by size or by age in log time.
  [[nodiscard]] bool SealDue(const cairn::v1::LogSettings& settings, int64_t now_us) const;
  // Everything is trimmed and the open segment holds bytes worth giving back.
  [[nodiscard]] bool SealForTrim(Seq first_seq, Seq last_seq) const;
  // Opens a new segment after the last applied entry.
  void Seal(storage::SegmentRow row);

  // Where the log may be cut when readers need nothing below `first_seq`: the index before
  // the newest segment that begins at or below it, and at most `through`. Nullopt: nothing to
  // drop.
  [[nodiscard]] std::optional<Index> TrimPoint(Seq first_seq, Index through) const;
  // The row behind the segment that entry `after` + 1 is in, if that segment is sealed and what is
  // left of it is `min_bytes` by a fair guess; else null.
  [[nodiscard]] const storage::SegmentRow* EndOfRun(Index after, uint64_t min_bytes) const;
  // Whether what the open segment holds behind entry `after`, which is in it, is `min_bytes` by a
  // fair guess.
  [[nodiscard]] bool EndsWithRun(Index after, uint64_t min_bytes) const;
  // Entries through `through`, of `bytes`, were added to the open segment.
  void TakeRun(uint64_t bytes, Index through);

  // Drops the segments before the one that begins after `index`.
  void TrimTo(Index index);

  // Oldest seq to keep by the log's retention; nullopt: keep all. `age_allowed` is false
  // for a while after a clock's forward jump. The last segment always stays.
  [[nodiscard]] std::optional<Seq> RetentionFirstSeq(const cairn::v1::LogSettings& settings,
                                                     int64_t now_us, bool age_allowed) const;

  [[nodiscard]] const storage::SegmentRow& first() const { return segments_.front().row; }
  // Replaces the state that row `i` holds.
  void SetState(size_t i, std::string state) { segments_[i].row.state = std::move(state); }
  [[nodiscard]] const storage::SegmentRow& row(size_t i) const { return segments_[i].row; }
  [[nodiscard]] uint64_t bytes() const;
  // Of all that OnApplied was told, also of what is trimmed by now.
  [[nodiscard]] uint64_t applied_bytes() const { return applied_bytes_; }
  void Describe(Seq last_seq, cairn::v1::DescribeLogResponse& response) const;
  [[nodiscard]] size_t size() const { return segments_.size(); }

 private:
  struct Segment {
    storage::SegmentRow row;
    uint64_t bytes = 0;
  };
  // Whether what segment `i` holds behind `after`, through `last`, its end, is `min_bytes`.
  [[nodiscard]] bool IsWorth(size_t i, Index after, Index last, uint64_t min_bytes) const;

  uint64_t default_segment_bytes_;
  Index applied_;
  uint64_t applied_bytes_ = 0;
  std::deque<Segment> segments_;  // Never empty once Reset or Restore was called.
};

}  // namespace cairn::server
