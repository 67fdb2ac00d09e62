#include "storage/rocks_batch.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "storage/key_codec.h"
#include "storage/rocks_rows.h"
#include "storage/rocks_status.h"

namespace cairn::storage {
namespace {

constexpr Index kAnyIndex{~uint64_t{0}};

// The last entry that a row of entries or seqs speaks of.
Index EntryOfRow(Family family, const rocksdb::Iterator& row) {
  if (family == Family::kEntries) {
    return Index(PositionOfKey(row.key().ToStringView()).value_or(~uint64_t{0}));
  }
  const absl::StatusOr<SeqRow> seq = DecodeSeqRow(row.value().ToStringView());
  return seq.ok() ? seq->index : kAnyIndex;
}

}  // namespace

bool LeavesAGroup(const GroupWrite& write) {
  return !write.remove || write.install || write.hard_state || !write.entries.empty();
}

BatchBuilder::BatchBuilder(const Columns& columns, GroupTables* tables, rocksdb::WriteBatch* batch,
                           WallMicros now)
    : columns_(columns), tables_(*tables), batch_(*batch), now_(now) {}

absl::Status BatchBuilder::Put(Family family, const std::string& key, const std::string& value) {
  return FromRocks(batch_.Put(columns_[family], key, value));
}

absl::Status BatchBuilder::Delete(Family family, const std::string& key) {
  return FromRocks(batch_.Delete(columns_[family], key));
}

absl::Status BatchBuilder::DeleteRange(Family family, const std::string& begin,
                                       const std::string& end) {
  return FromRocks(batch_.DeleteRange(columns_[family], begin, end));
}

absl::Status BatchBuilder::Add(const GroupWrite& write) {
  const GroupId group = write.group;
  changed_.insert(group);
  if (write.remove) {
    RETURN_IF_ERROR(Remove(group));
    if (!LeavesAGroup(write)) return absl::OkStatus();
  }
  // A group that comes back begins with nothing: what the trash held goes now.
  if (tables_.trash.contains(group)) RETURN_IF_ERROR(Purge(group));
  SegmentTable& table = tables_.live[group];
  if (write.install) RETURN_IF_ERROR(Install(group, *write.install, table));
  if (write.hard_state) {
    RETURN_IF_ERROR(Put(Family::kState, HardStateKey(group), EncodeHardState(*write.hard_state)));
  }
  if (write.install || !write.segments.empty()) RETURN_IF_ERROR(ForgetDamage(group));
  if (write.run != nullptr) {
    RETURN_IF_ERROR(AddRun(group, static_cast<const RocksRun&>(*write.run), table));
  }
  RETURN_IF_ERROR(AddEntries(group, write.entries, table));
  for (const SegmentRow& row : write.segments) RETURN_IF_ERROR(AddSegment(group, row, table));
  if (write.trim_to) RETURN_IF_ERROR(TrimTo(group, *write.trim_to, table));
  return absl::OkStatus();
}

absl::Status BatchBuilder::Remove(GroupId group) {
  if (tables_.live.erase(group) == 0) return absl::OkStatus();
  tables_.trash[group] = now_;
  return Put(Family::kState, TrashKey(group), EncodeNumber(static_cast<uint64_t>(now_)));
}

absl::Status BatchBuilder::Purge(GroupId group) {
  CHECK_EQ(tables_.trash.erase(group), 1u);
  reuses_indexes_ = true;
  changed_.insert(group);
  shrunk_.insert(group);
  return DropRows(group);
}

absl::Status BatchBuilder::ForgetDamage(GroupId group) {
  return tables_.damaged.erase(group) == 0 ? absl::OkStatus()
                                           : Delete(Family::kState, DamageKey(group));
}

absl::Status BatchBuilder::DropRows(GroupId group) {
  // What this batch holds, no read shows.
  const bool all_are_stored = staged_[group].empty();
  staged_.erase(group);
  tables_.damaged.erase(group);
  RETURN_IF_ERROR(DeleteRange(Family::kState, GroupBegin(group), GroupEnd(group)));
  return all_are_stored ? BuryWhatThereIs(group) : Bury(group);
}

absl::Status BatchBuilder::Bury(GroupId group) {
  buried_[group] = kAnyIndex;
  RETURN_IF_ERROR(DeleteRange(Family::kEntries, GroupBegin(group), GroupEnd(group)));
  return DeleteRange(Family::kSeqs, GroupBegin(group), GroupEnd(group));
}

absl::Status BatchBuilder::BuryWhatThereIs(GroupId group) {
  Index& last = buried_[group];
  for (const Family family : {Family::kEntries, Family::kSeqs}) {
    ASSIGN_OR_RETURN(const Index covered, BuryRows(group, family));
    last = std::max(last, covered);
  }
  return absl::OkStatus();
}

// Returns the last entry that the tombstone covers; 0: there is none.
absl::StatusOr<Index> BatchBuilder::BuryRows(GroupId group, Family family) {
  const std::string begin = GroupBegin(group);
  const rocksdb::Slice lower(begin);
  rocksdb::ReadOptions options;
  options.iterate_lower_bound = &lower;
  const std::unique_ptr<rocksdb::Iterator> it(columns_.db->NewIterator(options, columns_[family]));
  it->SeekForPrev(GroupEnd(group));
  if (it->Valid()) {
    RETURN_IF_ERROR(DeleteRange(family, begin, it->key().ToString() + '\0'));
    return EntryOfRow(family, *it);
  }
  if (it->status().ok()) return Index();
  // It cannot be read, and need not be.
  RETURN_IF_ERROR(DeleteRange(family, begin, GroupEnd(group)));
  return kAnyIndex;
}

absl::Status BatchBuilder::Install(GroupId group, const SegmentRow& row, SegmentTable& table) {
  // Not for a group that is new here, which is nearly always.
  if (table.last_index() || !table.segments().empty()) {
    if (row.before_index < table.last_index()) reuses_indexes_ = true;
    staged_.erase(group);
    RETURN_IF_ERROR(Bury(group));
    shrunk_.insert(group);
  }
  for (const SegmentTable::Segment& segment : table.segments()) {
    RETURN_IF_ERROR(Delete(Family::kState, SegmentKey(group, segment.before_index)));
  }
  for (const StoredGroup::TermRow& term : table.terms()) {
    RETURN_IF_ERROR(Delete(Family::kState, TermKey(group, term.first)));
  }
  table.Install(row);
  return Put(Family::kState, SegmentKey(group, row.before_index), EncodeSegment({row, 0}));
}

// Its entries are in the database already, and do not count before this.
absl::Status BatchBuilder::AddRun(GroupId group, const RocksRun& run, SegmentTable& table) {
  CHECK_EQ(run.after(), table.last_index());
  CHECK_EQ(run.bytes_before(), table.bytes());
  for (const StoredGroup::TermRow& row :
       table.AppendRun(run.terms(), run.last(), run.bytes_through())) {
    RETURN_IF_ERROR(Put(Family::kState, TermKey(group, row.first), EncodeNumber(row.term.value())));
  }
  payload_bytes_ += run.bytes_through() - run.bytes_before();
  return Delete(Family::kState, RunKey(group));
}

absl::Status BatchBuilder::DropRun(GroupId group, Index last) {
  shrunk_.insert(group);
  buried_[group] = kAnyIndex;
  RETURN_IF_ERROR(DeleteRange(Family::kEntries, EntryKey(group, last + 1), GroupEnd(group)));
  RETURN_IF_ERROR(CutSeqRows(group, last));
  return Delete(Family::kState, RunKey(group));
}

absl::Status BatchBuilder::AddEntries(GroupId group, const std::vector<StoredEntry>& entries,
                                      SegmentTable& table) {
  if (entries.empty()) return absl::OkStatus();
  if (entries.front().index <= table.last_index()) {
    RETURN_IF_ERROR(CutAfter(group, entries.front().index - 1, table));
  }
  for (const StoredEntry& entry : entries) RETURN_IF_ERROR(AddEntry(group, entry, table));
  return absl::OkStatus();
}

absl::Status BatchBuilder::AddEntry(GroupId group, const StoredEntry& entry, SegmentTable& table) {
  if (table.Append(entry.index, entry.term, entry.payload.size())) {
    RETURN_IF_ERROR(
        Put(Family::kState, TermKey(group, entry.index), EncodeNumber(entry.term.value())));
  }
  payload_bytes_ += entry.payload.size();
  const std::string key = EntryKey(group, entry.index);
  const std::string header = EncodeEntryRowHeader(group, RefTo(entry), table.bytes());
  // Two parts, so that the payload is copied once, into the batch.
  const std::array<rocksdb::Slice, 1> keys = {key};
  const std::string_view payload = entry.payload.view();
  const std::array<rocksdb::Slice, 2> values = {header,
                                                rocksdb::Slice(payload.data(), payload.size())};
  RETURN_IF_ERROR(FromRocks(batch_.Put(columns_[Family::kEntries],
                                       rocksdb::SliceParts(keys.data(), keys.size()),
                                       rocksdb::SliceParts(values.data(), values.size()))));
  staged_[group].push_back({entry.index, entry.first_seq, entry.record_count, table.bytes()});
  if (entry.record_count == 0) return absl::OkStatus();
  return Put(Family::kSeqs, SeqKey(group, entry.first_seq),
             EncodeSeqRow({entry.index, entry.timestamp_us, entry.record_count}));
}

absl::Status BatchBuilder::CutAfter(GroupId group, Index last, SegmentTable& table) {
  ASSIGN_OR_RETURN(const uint64_t bytes, BytesThrough(group, last, table));
  for (Index index = last + 1; index <= table.last_index(); ++index) {
    RETURN_IF_ERROR(Delete(Family::kEntries, EntryKey(group, index)));
  }
  RETURN_IF_ERROR(CutSeqRows(group, last));
  for (const StoredGroup::TermRow& term : table.terms()) {
    if (term.first > last) RETURN_IF_ERROR(Delete(Family::kState, TermKey(group, term.first)));
  }
  for (const SegmentTable::Segment& segment : table.segments()) {
    if (segment.before_index > last) {
      RETURN_IF_ERROR(Delete(Family::kState, SegmentKey(group, segment.before_index)));
    }
  }
  table.CutAfter(last, bytes);
  return absl::OkStatus();
}

// Rows ascend in both seq and index, so those of a suffix are the last ones: of this batch,
// then of the disk.
absl::Status BatchBuilder::CutSeqRows(GroupId group, Index last) {
  std::vector<Staged>& staged = staged_[group];
  for (; !staged.empty() && staged.back().index > last; staged.pop_back()) {
    if (staged.back().record_count == 0) continue;
    RETURN_IF_ERROR(Delete(Family::kSeqs, SeqKey(group, staged.back().first_seq)));
  }
  const std::unique_ptr<rocksdb::Iterator> it(
      columns_.db->NewIterator(rocksdb::ReadOptions(), columns_[Family::kSeqs]));
  for (it->SeekForPrev(SeqKey(group, Seq(~uint64_t{0}))); it->Valid(); it->Prev()) {
    if (GroupOfKey(it->key().ToStringView()) != group) break;
    ASSIGN_OR_RETURN(const SeqRow row, DecodeSeqRow(it->value().ToStringView()));
    if (row.index <= last) break;
    RETURN_IF_ERROR(Delete(Family::kSeqs, it->key().ToString()));
  }
  return FromRocks(it->status());
}

absl::Status BatchBuilder::AddSegment(GroupId group, const SegmentRow& row, SegmentTable& table) {
  ASSIGN_OR_RETURN(const uint64_t bytes_before, BytesThrough(group, row.before_index, table));
  table.AddSegment({row.before_index, row.before_term, row.first_seq, bytes_before});
  return Put(Family::kState, SegmentKey(group, row.before_index),
             EncodeSegment({row, bytes_before}));
}

absl::Status BatchBuilder::TrimTo(GroupId group, Index to, SegmentTable& table) {
  if (to == table.before_index()) return absl::OkStatus();
  for (const SegmentTable::Segment& segment : table.segments()) {
    if (segment.before_index >= to) break;
    RETURN_IF_ERROR(Delete(Family::kState, SegmentKey(group, segment.before_index)));
  }
  for (const StoredGroup::TermRow& term : table.terms()) {
    if (term.first > to + 1) break;
    RETURN_IF_ERROR(Delete(Family::kState, TermKey(group, term.first)));
  }
  table.TrimTo(to);
  if (!table.terms().empty() && table.terms().front().first == to + 1) {
    RETURN_IF_ERROR(Put(Family::kState, TermKey(group, to + 1),
                        EncodeNumber(table.terms().front().term.value())));
  }
  // From the group's beginning, not from the last trim: it also covers what an earlier
  // tombstone no longer does, because its file was dropped.
  RETURN_IF_ERROR(DeleteRange(Family::kEntries, GroupBegin(group), EntryKey(group, to + 1)));
  RETURN_IF_ERROR(DeleteRange(Family::kSeqs, GroupBegin(group),
                              SeqKey(group, table.segments().front().first_seq)));
  shrunk_.insert(group);
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> BatchBuilder::BytesThrough(GroupId group, Index index,
                                                    const SegmentTable& table) {
  if (index == table.last_index()) return table.bytes();
  for (const SegmentTable::Segment& segment : table.segments()) {
    if (segment.before_index == index) return segment.bytes_before;
  }
  const auto staged = staged_.find(group);
  if (staged != staged_.end()) {
    for (auto it = staged->second.rbegin(); it != staged->second.rend(); ++it) {
      if (it->index == index) return it->bytes_through;
    }
  }
  rocksdb::PinnableSlice value;
  const rocksdb::Status found = columns_.db->Get(rocksdb::ReadOptions(), columns_[Family::kEntries],
                                                 EntryKey(group, index), &value);
  if (!found.ok()) {
    return Annotate(FromRocks(found), fmt::format("group {}: entry {}", group, index));
  }
  return DecodeBytesThrough(group, index, value.ToStringView());
}

}  // namespace cairn::storage
