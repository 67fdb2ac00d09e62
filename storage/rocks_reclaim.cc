#include "storage/rocks_reclaim.h"

#include <rocksdb/convenience.h>
#include <rocksdb/metadata.h>

#include <string>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "storage/key_codec.h"
#include "storage/rocks_status.h"

namespace cairn::storage {
namespace {

constexpr int64_t kRoundPeriodUs = 15 * kMicrosPerSecond;
constexpr uint64_t kRewriteAtBytes = 1 << 20;
constexpr int64_t kPatienceUs = 30 * kMicrosPerSecond;
constexpr int64_t kRestPerWork = 7;

}  // namespace

void Reclaimer::Note(const std::set<GroupId>& groups) {
  if (groups.empty()) return;
  const MonoMicros now = clock_->Mono();
  absl::MutexLock lock(&mutex_);
  for (const GroupId group : groups) noted_.emplace(group, now);
}

absl::Status Reclaimer::Run() {
  UnlinkDropped();
  if (clock_->Mono() < next_round_us_) return absl::OkStatus();
  return RunNow();
}

absl::Status Reclaimer::RunNow() {
  UnlinkDropped();
  std::map<GroupId, MonoMicros> groups;
  {
    absl::MutexLock lock(&mutex_);
    groups.swap(noted_);
  }
  if (groups.empty()) return absl::OkStatus();
  next_round_us_ = clock_->Mono() + kRoundPeriodUs;
  std::map<GroupId, MonoMicros> later;
  for (const auto& [group, noted_at_us] : groups) {
    RETURN_IF_ERROR(DropFiles(group));
    ASSIGN_OR_RETURN(const bool done, Reclaim(group, noted_at_us));
    if (!done) later.emplace(group, noted_at_us);
  }
  absl::MutexLock lock(&mutex_);
  // What was noted meanwhile waits as long as what is left of before.
  later.merge(noted_);
  noted_ = std::move(later);
  return absl::OkStatus();
}

Reclaimer::Range Reclaimer::DeadRange(GroupId group, bool& living) const {
  const std::optional<Extent> extent = extents_->Find(group);
  living = extent.has_value();
  if (!living) return {GroupBegin(group), GroupEnd(group)};
  return {GroupBegin(group), EntryKey(group, extent->before + 1)};
}

absl::Status Reclaimer::DropFiles(GroupId group) {
  absl::MutexLock lock(&reuse_mutex_);
  bool living = false;
  const Range range = DeadRange(group, living);
  // A group in the trash, or purged, may come back with any index.
  if (!living) return absl::OkStatus();
  const rocksdb::Slice begin(range.begin);
  const rocksdb::Slice end(range.end);
  const rocksdb::RangePtr dead(&begin, &end);
  return FromRocks(rocksdb::DeleteFilesInRanges(columns_->db, (*columns_)[Family::kEntries], &dead,
                                                1, /*include_end=*/false));
}

// ---- Groups that are purged -------------------------------------------------------------

bool Reclaimer::HasTables(GroupId group) const {
  const std::string begin = GroupBegin(group);
  const std::string end = GroupEnd(group);
  const rocksdb::Range range(begin, end);
  rocksdb::SizeApproximationOptions what;
  what.include_files = true;
  uint64_t bytes = 0;
  const rocksdb::Status asked =
      columns_->db->GetApproximateSizes(what, (*columns_)[Family::kEntries], &range, 1, &bytes);
  return asked.ok() && bytes >= table_bytes_;
}

absl::Status Reclaimer::DropTables(const std::vector<GroupId>& groups) {
  std::vector<Range> dead;
  for (const GroupId group : groups) dead.push_back({GroupBegin(group), GroupEnd(group)});
  std::vector<rocksdb::Slice> borders;
  for (const Range& range : dead) borders.insert(borders.end(), {range.begin, range.end});
  std::vector<rocksdb::RangePtr> ranges;
  for (size_t i = 0; i < borders.size(); i += 2) ranges.emplace_back(&borders[i], &borders[i + 1]);
  for (const Family family : {Family::kEntries, Family::kSeqs}) {
    rocksdb::ColumnFamilyHandle* const column = (*columns_)[family];
    std::unique_ptr<rocksdb::Iterator> view(
        columns_->db->NewIterator(rocksdb::ReadOptions(), column));
    RETURN_IF_ERROR(FromRocks(rocksdb::DeleteFilesInRanges(columns_->db, column, ranges.data(),
                                                           ranges.size(), /*include_end=*/false)));
    absl::MutexLock lock(&mutex_);
    views_.push_back(std::move(view));
  }
  return absl::OkStatus();
}

void Reclaimer::UnlinkDropped() {
  // (Destroyed behind the lock.)
  std::vector<std::unique_ptr<rocksdb::Iterator>> views;
  absl::MutexLock lock(&mutex_);
  views.swap(views_);
}

bool Reclaimer::WorthRewriting(const Range& range, uint64_t dead_bytes) const {
  if (dead_bytes >= kRewriteAtBytes) return true;
  std::vector<rocksdb::LiveFileMetaData> files;
  columns_->db->GetLiveFilesMetaData(&files);
  uint64_t file_bytes = 0;
  for (const rocksdb::LiveFileMetaData& file : files) {
    if (file.column_family_name != FamilyName(Family::kEntries)) continue;
    if (file.smallestkey < range.end && file.largestkey >= range.begin) file_bytes += file.size;
  }
  return 2 * dead_bytes > file_bytes;
}

absl::StatusOr<bool> Reclaimer::Reclaim(GroupId group, MonoMicros noted_at_us) {
  bool living = false;
  const Range range = DeadRange(group, living);
  const rocksdb::Range dead(range.begin, range.end);
  rocksdb::SizeApproximationOptions what;
  what.include_memtables = true;
  what.include_files = true;
  uint64_t dead_bytes = 0;
  RETURN_IF_ERROR(FromRocks(columns_->db->GetApproximateSizes(what, (*columns_)[Family::kEntries],
                                                              &dead, 1, &dead_bytes)));
  if (dead_bytes == 0) return true;
  const MonoMicros begin_us = clock_->Mono();
  const bool worth = WorthRewriting(range, dead_bytes);
  const bool old = begin_us - noted_at_us >= kPatienceUs && begin_us >= next_old_us_;
  if (!worth && !old) return false;
  const rocksdb::Slice begin(range.begin);
  const rocksdb::Slice end(range.end);
  rocksdb::CompactRangeOptions options;
  options.exclusive_manual_compaction = false;
  RETURN_IF_ERROR(
      FromRocks(columns_->db->CompactRange(options, (*columns_)[Family::kEntries], &begin, &end)));
  const MonoMicros end_us = clock_->Mono();
  if (!worth) next_old_us_ = end_us + kRestPerWork * (end_us - begin_us);
  return true;
}

}  // namespace cairn::storage
