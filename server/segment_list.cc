#include "server/segment_list.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/clock.h"

namespace cairn::server {
namespace {

// A segment is sealed after that much log time even when it is small, so that retention by
// age has something to drop: a day, or an eighth of the retention.
constexpr int64_t kSealAgeUs = 24 * 3600 * kMicrosPerSecond;
constexpr int64_t kMinSealAgeUs = kMicrosPerSecond;
// Sealing early for a trim must be worth a row.
constexpr uint64_t kWorthSealingBytes = 64 << 10;

int64_t SealAge(const cairn::v1::LogSettings& settings) {
  if (settings.retention_ms() == 0) return kSealAgeUs;
  const auto eighth = static_cast<int64_t>(settings.retention_ms()) * kMicrosPerMilli / 8;
  return std::clamp(eighth, kMinSealAgeUs, kSealAgeUs);
}

}  // namespace

void SegmentList::Reset(storage::SegmentRow row) {
  segments_.clear();
  applied_ = row.before_index;
  segments_.push_back({.row = std::move(row)});
}

void SegmentList::Restore(storage::SegmentRow row, uint64_t bytes) {
  CHECK(segments_.empty() || segments_.back().row.before_index < row.before_index);
  applied_ = row.before_index;
  segments_.push_back({.row = std::move(row), .bytes = bytes});
}

bool SegmentList::SealDue(const cairn::v1::LogSettings& settings, int64_t now_us) const {
  const Segment& open = segments_.back();
  if (open.bytes == 0) return false;
  const uint64_t limit =
      settings.segment_bytes() != 0 ? settings.segment_bytes() : default_segment_bytes_;
  return open.bytes >= limit || now_us - open.row.timestamp_us > SealAge(settings);
}

bool SegmentList::SealForTrim(Seq first_seq, Seq last_seq) const {
  return first_seq > last_seq && segments_.back().bytes >= kWorthSealingBytes;
}

void SegmentList::Seal(storage::SegmentRow row) {
  CHECK_EQ(row.before_index, applied_);
  CHECK_GT(row.before_index, segments_.back().row.before_index);
  segments_.push_back({.row = std::move(row)});
}

std::optional<Index> SegmentList::TrimPoint(Seq first_seq, Index through) const {
  std::optional<Index> point;
  for (size_t i = 1; i < segments_.size(); ++i) {
    const storage::SegmentRow& row = segments_[i].row;
    if (row.first_seq > first_seq || row.before_index > through) break;
    point = row.before_index;
  }
  return point;
}

const storage::SegmentRow* SegmentList::EndOfRun(Index after, uint64_t min_bytes) const {
  for (size_t i = 0; i + 1 < segments_.size(); ++i) {
    const Index begin = segments_[i].row.before_index;
    const storage::SegmentRow& next = segments_[i + 1].row;
    if (next.before_index <= after) continue;
    if (begin > after) return nullptr;
    return IsWorth(i, after, next.before_index, min_bytes) ? &next : nullptr;
  }
  return nullptr;
}

bool SegmentList::EndsWithRun(Index after, uint64_t min_bytes) const {
  return after >= segments_.back().row.before_index && after < applied_ &&
         IsWorth(segments_.size() - 1, after, applied_, min_bytes);
}

bool SegmentList::IsWorth(size_t i, Index after, Index last, uint64_t min_bytes) const {
  const Index begin = segments_[i].row.before_index;
  const double left = static_cast<double>(last - after) / static_cast<double>(last - begin);
  return left * static_cast<double>(segments_[i].bytes) >= static_cast<double>(min_bytes);
}

void SegmentList::TakeRun(uint64_t bytes, Index through) {
  segments_.back().bytes += bytes;
  applied_ = through;
}

void SegmentList::TrimTo(Index index) {
  while (segments_.front().row.before_index < index) {
    CHECK_GT(segments_.size(), 1u);
    segments_.pop_front();
  }
  CHECK_EQ(segments_.front().row.before_index, index);
}

std::optional<Seq> SegmentList::RetentionFirstSeq(const cairn::v1::LogSettings& settings,
                                                  int64_t now_us, bool age_allowed) const {
  size_t drop = 0;
  if (const uint64_t limit = settings.retention_bytes(); limit != 0) {
    uint64_t kept = bytes();
    while (drop + 1 < segments_.size() && kept > limit) kept -= segments_[drop++].bytes;
  }
  if (settings.retention_ms() != 0 && age_allowed) {
    const int64_t cutoff = now_us - static_cast<int64_t>(settings.retention_ms()) * kMicrosPerMilli;
    // A segment's newest record is not younger than the start of the next one.
    while (drop + 1 < segments_.size() && segments_[drop + 1].row.timestamp_us < cutoff) ++drop;
  }
  if (drop == 0) return std::nullopt;
  return segments_[drop].row.first_seq;
}

uint64_t SegmentList::bytes() const {
  uint64_t sum = 0;
  for (const Segment& segment : segments_) sum += segment.bytes;
  return sum;
}

void SegmentList::Describe(Seq last_seq, cairn::v1::DescribeLogResponse& response) const {
  for (size_t i = 0; i < segments_.size(); ++i) {
    const bool sealed = i + 1 < segments_.size();
    const storage::SegmentRow& row = segments_[i].row;
    const Seq last = sealed ? segments_[i + 1].row.first_seq.Previous() : last_seq;
    const Index last_index = sealed ? segments_[i + 1].row.before_index : applied_;
    cairn::v1::SegmentInfo& info = *response.add_segments();
    info.set_first_seq(row.first_seq.value());
    info.set_last_seq(last >= row.first_seq ? last.value() : 0);
    info.set_bytes(segments_[i].bytes);
    info.set_sealed(sealed);
    info.set_timestamp_us(row.timestamp_us);
    info.set_chain_before(row.chain_before);
    info.set_first_index(row.before_index.value() + 1);
    info.set_last_index(last_index.value());
  }
}

}  // namespace cairn::server
