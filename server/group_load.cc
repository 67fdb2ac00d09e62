#include "server/group_load.h"

#include <fmt/format.h>

#include <utility>

#include "base/planted_bug.h"
#include "base/status_macros.h"

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
  while (next <= stored.last_index) {
    auto range = store.ReadEntries(stored.group, next, stored.last_index, kReadBytes);
    if (!range.ok()) {
      if (range.status().code() != absl::StatusCode::kDataLoss) return range.status();
      *damage = std::string(range.status().message());
      start->damaged = !PLANTED(kDamageCutOff);
      CutAfter(stored, next.Previous());
      break;
    }
    for (storage::StoredEntry& entry : range->entries) {
      next = entry.index + 1;
      start->recent.push_back(std::move(entry));
    }
  }
  ASSIGN_OR_RETURN(start->segment_bytes, store.SegmentBytes(stored.group));
  start->stored = std::move(stored);
  return absl::OkStatus();
}

}  // namespace cairn::server
