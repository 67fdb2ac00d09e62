#include "server/group_load.h"

#include <fmt/format.h>

#include <utility>

#include "base/planted_bug.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "storage/damage.h"

namespace cairn::server {
namespace {

constexpr uint64_t kReadBytes = 16 << 20;

// Cuts `stored` so that its last entry is `last`.
void CutAfter(storage::StoredGroup& stored, Index last) {
  stored.last_index = last;
  while (!stored.terms.empty() && stored.terms.back().first > last) stored.terms.pop_back();
}

}  // namespace

absl::Status LoadGroup(const storage::LogStore& store, storage::StoredGroup stored,
                       GroupStart* start, std::string* damage) {
  start->verdict = store.Verdict();
  if (stored.segments.empty()) {
    return absl::DataLossError(
        fmt::format("log {}: no segment row is stored; expected at least one", stored.group));
  }
  if (!stored.damage.empty()) {
    *damage = stored.damage;
    start->damaged = !PLANTED(kDamageCutOff);
  }
  Index next = stored.segments.back().before_index + 1;
  Seq next_seq = stored.segments.back().first_seq;
  while (next <= stored.last_index) {
    auto range = store.ReadEntries(stored.group, next, stored.last_index, kReadBytes);
    if (!range.ok()) {
      if (range.status().code() != absl::StatusCode::kDataLoss) return range.status();
      *damage = storage::Describe({.first = next,
                                   .segment_first_seq = stored.segments.back().first_seq,
                                   .next_seq = next_seq,
                                   .why = ToStd(range.status().message())});
      start->damaged = !PLANTED(kDamageCutOff);
      CutAfter(stored, next.Previous());
      break;
    }
    for (storage::StoredEntry& entry : range->entries) {
      next = entry.index + 1;
      if (entry.record_count != 0) next_seq = entry.first_seq + entry.record_count;
      start->recent.push_back(std::move(entry));
    }
  }
  ASSIGN_OR_RETURN(start->segment_bytes, store.SegmentBytes(stored.group));
  start->stored = std::move(stored);
  return absl::OkStatus();
}

}  // namespace cairn::server
