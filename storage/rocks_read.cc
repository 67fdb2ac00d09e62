#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "storage/key_codec.h"
#include "storage/rocks_impl.h"
#include "storage/rocks_rows.h"
#include "storage/rocks_status.h"

namespace cairn::storage {
namespace {

// A cursor over the keys of one group in one family. Sees whole batches: an iterator is a
// snapshot.
class GroupCursor {
 public:
  GroupCursor(const Columns& columns, Family family, GroupId group)
      : end_(GroupEnd(group)), end_slice_(end_) {
    rocksdb::ReadOptions options;
    options.iterate_upper_bound = &end_slice_;
    options.fill_cache = false;
    it_.reset(columns.db->NewIterator(options, columns[family]));
    group_ = group;
  }
  [[nodiscard]] bool Valid() const {
    return it_->Valid() && GroupOfKey(it_->key().ToStringView()) == group_;
  }
  [[nodiscard]] uint64_t position() const {
    return PositionOfKey(it_->key().ToStringView()).value_or(0);
  }
  [[nodiscard]] std::string_view value() const { return it_->value().ToStringView(); }
  rocksdb::Iterator& operator*() const { return *it_; }
  rocksdb::Iterator* operator->() const { return it_.get(); }
  [[nodiscard]] absl::Status status() const { return FromRocks(it_->status()); }

 private:
  const std::string end_;
  const rocksdb::Slice end_slice_;
  std::unique_ptr<rocksdb::Iterator> it_;
  GroupId group_;
};

absl::Status OutOfRange(GroupId group, Index first, const Extent& extent) {
  return absl::OutOfRangeError(
      ToAbsl(fmt::format("group {}: index {} asked for, {} through {} are stored", group, first,
                         extent.before + 1, extent.last)));
}

}  // namespace

absl::StatusOr<Extent> RocksLogStore::Impl::FindExtent(GroupId group) const {
  const std::optional<Extent> extent = extents.Find(group);
  if (!extent)
    return absl::NotFoundError(ToAbsl(fmt::format("group {} is not stored here", group)));
  return *extent;
}

absl::Status RocksLogStore::Impl::ReadRows(GroupId group, Index first, Index last,
                                           absl::FunctionRef<bool(std::string_view)> take) const {
  ASSIGN_OR_RETURN(const Extent extent, FindExtent(group));
  if (first <= extent.before || first > extent.last) return OutOfRange(group, first, extent);
  last = std::min(last, extent.last);
  GroupCursor cursor(columns, Family::kEntries, group);
  Index index = first;
  for (cursor->Seek(EntryKey(group, first)); cursor.Valid(); cursor->Next()) {
    // (Going on to a row that nobody takes would read its block.)
    if (cursor.position() != index.value()) break;
    if (!take(cursor.value()) || ++index > last) return absl::OkStatus();
  }
  if (index > first) return absl::OkStatus();
  RETURN_IF_ERROR(Annotate(cursor.status(), fmt::format("group {}: entry {}", group, index)));
  // Gone between the look at the extent and the read (a trim, a replaced suffix), or lost. A write
  // shows in the database before it does in the extents: let the one under way end.
  { const absl::MutexLock written(&write_mutex); }
  ASSIGN_OR_RETURN(const Extent now, FindExtent(group));
  if (index <= now.before || index > now.last) return OutOfRange(group, index, now);
  return absl::DataLossError(
      ToAbsl(fmt::format("group {}: entry {} is missing, {} through {} should be stored", group,
                         index, now.before + 1, now.last)));
}

absl::StatusOr<EntryRange> RocksLogStore::Impl::ReadEntries(GroupId group, Index first, Index last,
                                                            uint64_t max_bytes) const {
  EntryRange range;
  uint64_t bytes = 0;
  absl::Status decoded;
  RETURN_IF_ERROR(ReadRows(group, first, last, [&](std::string_view value) {
    bytes += value.size() - std::min(value.size(), kEntryRowHeaderBytes);
    if (bytes > max_bytes && !range.entries.empty()) return false;
    absl::StatusOr<StoredEntry> entry = DecodeEntryRow(group, first + range.entries.size(), value);
    decoded = entry.status();
    if (entry.ok()) range.entries.push_back(*std::move(entry));
    return entry.ok();
  }));
  // What stands before the damage can be read; who goes on from there is told.
  if (range.entries.empty()) return decoded;
  return range;
}

absl::StatusOr<Index> RocksLogStore::Impl::SeekSeq(GroupId group, Seq seq) const {
  ASSIGN_OR_RETURN(const Extent extent, FindExtent(group));
  GroupCursor cursor(columns, Family::kSeqs, group);
  cursor->SeekForPrev(SeqKey(group, seq));
  RETURN_IF_ERROR(cursor.status());
  if (cursor.Valid()) {
    ASSIGN_OR_RETURN(const SeqRow row, DecodeSeqRow(cursor.value()));
    if (seq < Seq(cursor.position()) + row.record_count && row.index > extent.before) {
      return row.index;
    }
  }
  return absl::OutOfRangeError(ToAbsl(fmt::format("group {}: seq {} is not stored", group, seq)));
}

absl::StatusOr<std::optional<Seq>> RocksLogStore::Impl::SeekTime(GroupId group,
                                                                 int64_t timestamp_us) const {
  RETURN_IF_ERROR(FindExtent(group).status());
  GroupCursor cursor(columns, Family::kSeqs, group);
  cursor->SeekForPrev(SeqKey(group, Seq(~uint64_t{0})));
  RETURN_IF_ERROR(cursor.status());
  if (!cursor.Valid()) return std::optional<Seq>();
  ASSIGN_OR_RETURN(const SeqRow newest, DecodeSeqRow(cursor.value()));
  if (newest.timestamp_us < timestamp_us) return std::optional<Seq>();
  // Log time never falls, so halving the seqs finds the first row that is late enough. `low`
  // and `high` are first seqs of rows; the one looked for is in [low, high].
  uint64_t high = cursor.position();
  cursor->Seek(GroupBegin(group));
  RETURN_IF_ERROR(cursor.status());
  if (!cursor.Valid()) return std::optional<Seq>();
  uint64_t low = cursor.position();
  while (low < high) {
    cursor->SeekForPrev(SeqKey(group, Seq(low + (high - low) / 2)));
    RETURN_IF_ERROR(cursor.status());
    if (!cursor.Valid()) return absl::DataLossError("a row of the seqs family is gone");
    ASSIGN_OR_RETURN(const SeqRow row, DecodeSeqRow(cursor.value()));
    if (row.timestamp_us >= timestamp_us) {
      high = cursor.position();
      continue;
    }
    cursor->Next();
    RETURN_IF_ERROR(cursor.status());
    if (!cursor.Valid()) return absl::DataLossError("a row of the seqs family is gone");
    low = cursor.position();
  }
  return std::optional<Seq>(Seq(high));
}

absl::StatusOr<std::vector<StoredGroup>> RocksLogStore::Impl::LoadGroups() const {
  ASSIGN_OR_RETURN(std::vector<LoadedGroup> loaded, LoadGroupRows(columns, nullptr));
  std::vector<StoredGroup> groups;
  for (LoadedGroup& group : loaded) {
    if (group.removed_at) continue;
    ASSIGN_OR_RETURN(const Extent extent, FindExtent(group.stored.group));
    group.stored.last_index = extent.last;
    groups.push_back(std::move(group.stored));
  }
  return groups;
}

absl::StatusOr<std::vector<uint64_t>> RocksLogStore::Impl::SegmentBytes(GroupId group) const {
  ASSIGN_OR_RETURN(const Extent extent, FindExtent(group));
  GroupCursor cursor(columns, Family::kState, group);
  std::vector<uint64_t> starts;
  for (cursor->Seek(SegmentKey(group, extent.before)); cursor.Valid(); cursor->Next()) {
    const std::optional<StateKey> key = ParseStateKey(cursor->key().ToStringView());
    if (!key || key->tag != KeyTag::kSegment) break;
    ASSIGN_OR_RETURN(const StoredSegment segment, DecodeSegment(key->position, cursor.value()));
    // Behind the extent: from a batch that came after it.
    if (segment.row.before_index > extent.last) break;
    starts.push_back(segment.bytes_before);
  }
  RETURN_IF_ERROR(cursor.status());
  std::vector<uint64_t> sizes;
  for (size_t i = 0; i < starts.size(); ++i) {
    sizes.push_back((i + 1 < starts.size() ? starts[i + 1] : extent.bytes) - starts[i]);
  }
  return sizes;
}

absl::StatusOr<EntryRange> RocksLogStore::ReadEntries(GroupId group, Index first, Index last,
                                                      uint64_t max_bytes) const {
  absl::StatusOr<EntryRange> range = impl_->ReadEntries(group, first, last, max_bytes);
  if (!range.ok()) return impl_->Noted(range.status());
  return range;
}

absl::Status RocksLogStore::ReadRows(GroupId group, Index first, Index last,
                                     absl::FunctionRef<bool(std::string_view)> take) const {
  return impl_->Noted(impl_->ReadRows(group, first, last, take));
}

absl::StatusOr<Index> RocksLogStore::SeekSeq(GroupId group, Seq seq) const {
  const absl::StatusOr<Index> index = impl_->SeekSeq(group, seq);
  if (!index.ok()) return impl_->Noted(index.status());
  return index;
}

absl::StatusOr<std::optional<Seq>> RocksLogStore::SeekTime(GroupId group,
                                                           int64_t timestamp_us) const {
  const absl::StatusOr<std::optional<Seq>> seq = impl_->SeekTime(group, timestamp_us);
  if (!seq.ok()) return impl_->Noted(seq.status());
  return seq;
}

absl::StatusOr<std::vector<StoredGroup>> RocksLogStore::LoadGroups() const {
  return impl_->LoadGroups();
}

absl::StatusOr<std::vector<uint64_t>> RocksLogStore::SegmentBytes(GroupId group) const {
  return impl_->SegmentBytes(group);
}

}  // namespace cairn::storage
