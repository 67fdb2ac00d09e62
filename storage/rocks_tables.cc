#include "storage/rocks_tables.h"

#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "storage/key_codec.h"
#include "storage/rocks_rows.h"
#include "storage/rocks_status.h"

namespace cairn::storage {
namespace {

absl::Status LoadRow(const StateKey& key, std::string_view value, LoadedGroup& group) {
  switch (key.tag) {
    case KeyTag::kHardState: {
      ASSIGN_OR_RETURN(group.stored.hard_state, DecodeHardState(value));
      return absl::OkStatus();
    }
    case KeyTag::kTerm: {
      ASSIGN_OR_RETURN(const uint64_t term, DecodeNumber(value));
      group.stored.terms.push_back({key.position, Term(term)});
      return absl::OkStatus();
    }
    case KeyTag::kSegment: {
      ASSIGN_OR_RETURN(StoredSegment segment, DecodeSegment(key.position, value));
      group.segments.push_back({segment.row.before_index, segment.row.before_term,
                                segment.row.first_seq, segment.bytes_before});
      group.stored.segments.push_back(std::move(segment.row));
      return absl::OkStatus();
    }
    case KeyTag::kTrash: {
      ASSIGN_OR_RETURN(const uint64_t removed_at, DecodeNumber(value));
      group.removed_at = static_cast<WallMicros>(removed_at);
      return absl::OkStatus();
    }
    case KeyTag::kDamage:
      group.stored.damage = value;
      return absl::OkStatus();
    case KeyTag::kRun: {
      ASSIGN_OR_RETURN(const uint64_t after, DecodeNumber(value));
      group.unfinished = Index(after);
      return absl::OkStatus();
    }
    case KeyTag::kTurn:
    case KeyTag::kIdentity:
    case KeyTag::kFormed:
      break;
  }
  return absl::DataLossError("a row of the meta family among the state rows");
}

// Last index of a group, and the running sum there.
absl::StatusOr<std::pair<Index, uint64_t>> LoadEnd(const Columns& columns,
                                                   const LoadedGroup& group) {
  const Index before = group.segments.empty() ? Index() : group.segments.front().before_index;
  const uint64_t bytes_before = group.segments.empty() ? 0 : group.segments.front().bytes_before;
  const GroupId id = group.stored.group;
  const std::unique_ptr<rocksdb::Iterator> it(
      columns.db->NewIterator(rocksdb::ReadOptions(), columns[Family::kEntries]));
  it->SeekForPrev(EntryKey(id, group.unfinished.value_or(Index(~uint64_t{0}))));
  RETURN_IF_ERROR(FromRocks(it->status()));
  if (!it->Valid() || GroupOfKey(it->key().ToStringView()) != id) {
    return std::pair(before, bytes_before);
  }
  const Index last(PositionOfKey(it->key().ToStringView()).value_or(0));
  // A trimmed entry may linger until its file is compacted.
  if (last <= before) return std::pair(before, bytes_before);
  ASSIGN_OR_RETURN(const uint64_t bytes, DecodeBytesThrough(id, last, it->value().ToStringView()));
  return std::pair(last, bytes);
}

}  // namespace

std::optional<Extent> Extents::Find(GroupId group) const {
  absl::MutexLock lock(&mutex_);
  const auto it = extents_.find(group);
  if (it == extents_.end()) return std::nullopt;
  return it->second;
}

void Extents::Set(GroupId group, Extent extent) {
  absl::MutexLock lock(&mutex_);
  extents_[group] = extent;
}

void Extents::Remove(GroupId group) {
  absl::MutexLock lock(&mutex_);
  extents_.erase(group);
}

std::vector<GroupId> Extents::Groups() const {
  absl::MutexLock lock(&mutex_);
  std::vector<GroupId> groups;
  groups.reserve(extents_.size());
  for (const auto& [group, extent] : extents_) groups.push_back(group);
  return groups;
}

absl::StatusOr<std::vector<LoadedGroup>> LoadGroupRows(const Columns& columns,
                                                       const rocksdb::Snapshot* snapshot) {
  rocksdb::ReadOptions options;
  options.snapshot = snapshot;
  const std::unique_ptr<rocksdb::Iterator> it(
      columns.db->NewIterator(options, columns[Family::kState]));
  std::vector<LoadedGroup> groups;
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const std::optional<StateKey> key = ParseStateKey(it->key().ToStringView());
    if (!key) {
      return absl::DataLossError(
          ToAbsl(fmt::format("unknown row {} in the state family", it->key().ToString(true))));
    }
    if (groups.empty() || groups.back().stored.group != key->group) {
      groups.emplace_back().stored.group = key->group;
    }
    RETURN_IF_ERROR(Annotate(LoadRow(*key, it->value().ToStringView(), groups.back()),
                             fmt::format("group {}", key->group)));
  }
  RETURN_IF_ERROR(FromRocks(it->status()));
  for (LoadedGroup& group : groups) {
    if (group.segments.empty()) continue;
    group.stored.before_index = group.segments.front().before_index;
    group.stored.before_term = group.segments.front().before_term;
  }
  return groups;
}

absl::StatusOr<GroupTables> LoadTables(const Columns& columns) {
  ASSIGN_OR_RETURN(std::vector<LoadedGroup> groups, LoadGroupRows(columns, nullptr));
  GroupTables tables;
  for (LoadedGroup& group : groups) {
    if (group.removed_at) {
      tables.trash.emplace(group.stored.group, *group.removed_at);
      continue;
    }
    if (!group.stored.damage.empty()) tables.damaged.insert(group.stored.group);
    if (group.unfinished) tables.unfinished.emplace(group.stored.group, *group.unfinished);
    ASSIGN_OR_RETURN(const auto end, LoadEnd(columns, group));
    tables.live.emplace(group.stored.group,
                        SegmentTable(std::move(group.segments), std::move(group.stored.terms),
                                     end.first, end.second));
  }
  return tables;
}

}  // namespace cairn::storage
