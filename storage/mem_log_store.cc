#include "storage/mem_log_store.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "storage/rocks_rows.h"

namespace cairn::storage {
namespace {

uint64_t ChecksumOf(const Bytes& payload) {
  return XXH3_64bits(payload.view().data(), payload.size());
}

struct MemRun : EntryRun {
  MemRun(GroupId group_in, Index after) : group(group_in), last(after) {}
  GroupId group;
  Index last;
  std::vector<StoredEntry> entries;
};

class MemRunBuilder : public RunBuilder {
 public:
  MemRunBuilder(GroupId group, Index after) : run_(std::make_shared<MemRun>(group, after)) {}
  absl::Status Add(const EntryRef& entry) override {
    CHECK_EQ(entry.index, run_->last + 1);
    run_->last = entry.index;
    run_->entries.push_back({.index = entry.index,
                             .term = entry.term,
                             .kind = entry.kind,
                             .payload = Bytes(std::string(entry.payload)),
                             .first_seq = entry.first_seq,
                             .record_count = entry.record_count,
                             .timestamp_us = entry.timestamp_us});
    return absl::OkStatus();
  }
  absl::StatusOr<std::shared_ptr<EntryRun>> Finish() override {
    CHECK(!run_->entries.empty());
    return std::shared_ptr<EntryRun>(std::move(run_));
  }

 private:
  std::shared_ptr<MemRun> run_;
};

uint64_t PayloadBytes(const StoreBatch& batch) {
  uint64_t sum = 0;
  for (const GroupWrite& write : batch.groups) {
    for (const StoredEntry& entry : write.entries) sum += entry.payload.size();
  }
  return sum;
}

}  // namespace

bool MemLogStore::FlipIn(Groups& groups, GroupId group_id, Index index, uint64_t draw) {
  const auto group = groups.find(group_id);
  if (group == groups.end()) return false;
  const auto row = group->second.entries.find(index);
  if (row == group->second.entries.end() || row->second.entry.payload.empty()) return false;
  std::string bytes(row->second.entry.payload.view());
  const uint64_t bit = draw % (bytes.size() * 8);
  bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
  row->second.entry.payload = Bytes(std::move(bytes));
  return true;
}

// ---- One group --------------------------------------------------------------------

void MemLogStore::Group::Install(const SegmentRow& row) {
  table.Install(row);
  entries.clear();
  seqs.clear();
  segments.clear();
  segments.emplace(row.before_index, row);
}

uint64_t MemLogStore::Group::BytesThrough(Index index) const {
  if (const auto it = entries.find(index); it != entries.end()) return it->second.bytes_through;
  CHECK_EQ(index, table.before_index());
  return table.segments().empty() ? 0 : table.segments().front().bytes_before;
}

void MemLogStore::Group::CutAfter(Index last) {
  table.CutAfter(last, BytesThrough(last));
  entries.erase(entries.upper_bound(last), entries.end());
  segments.erase(segments.upper_bound(last), segments.end());
  while (!seqs.empty() && seqs.rbegin()->second.index > last) seqs.erase(std::prev(seqs.end()));
}

void MemLogStore::Group::Append(const StoredEntry& entry) {
  table.Append(entry.index, entry.term, entry.payload.size());
  entries[entry.index] = {entry, ChecksumOf(entry.payload), table.bytes()};
  if (entry.record_count == 0) return;
  seqs[entry.first_seq] = {entry.index, entry.timestamp_us, entry.record_count};
}

void MemLogStore::Group::TrimTo(Index to) {
  table.TrimTo(to);
  entries.erase(entries.begin(), entries.upper_bound(to));
  segments.erase(segments.begin(), segments.lower_bound(to));
  while (!seqs.empty() && seqs.begin()->second.index <= to) seqs.erase(seqs.begin());
}

void MemLogStore::ApplyToGroup(const GroupWrite& write, Groups& groups) {
  if (write.remove) groups.erase(write.group);
  if (write.remove && !write.install && !write.hard_state && write.entries.empty()) return;
  Group& group = groups[write.group];
  if (write.install) group.Install(*write.install);
  if (write.hard_state) group.hard_state = *write.hard_state;
  if (write.run != nullptr) {
    for (const StoredEntry& entry : static_cast<const MemRun&>(*write.run).entries) {
      group.Append(entry);
    }
  }
  if (!write.entries.empty() && write.entries.front().index <= group.table.last_index()) {
    group.CutAfter(write.entries.front().index - 1);
  }
  for (const StoredEntry& entry : write.entries) group.Append(entry);
  for (const SegmentRow& row : write.segments) {
    group.table.AddSegment(
        {row.before_index, row.before_term, row.first_seq, group.BytesThrough(row.before_index)});
    group.segments[row.before_index] = row;
  }
  if (write.trim_to) group.TrimTo(*write.trim_to);
}

void MemLogStore::Apply(const StoreBatch& batch, Groups& groups) {
  for (const GroupWrite& write : batch.groups) ApplyToGroup(write, groups);
}

// ---- LogStore ---------------------------------------------------------------------

MemLogStore::MemLogStore(uint64_t incarnation) { identity_.incarnation = incarnation; }

absl::Status MemLogStore::Write(const StoreBatch& batch) {
  {
    absl::MutexLock lock(&mutex_);
    if (!write_status_.ok()) return write_status_;
  }
  WriteUnsynced(batch);
  Sync();
  return absl::OkStatus();
}

absl::StatusOr<const MemLogStore::Group*> MemLogStore::Find(GroupId group) const {
  const auto it = live_.find(group);
  if (it == live_.end()) {
    return absl::NotFoundError(ToAbsl(fmt::format("group {} is not stored here", group)));
  }
  return &it->second;
}

absl::StatusOr<std::unique_ptr<RunBuilder>> MemLogStore::BeginRun(GroupId group_id, Index after) {
  absl::MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(const Group* group, Find(group_id));
  if (group->table.last_index() == after) return std::make_unique<MemRunBuilder>(group_id, after);
  return absl::OutOfRangeError(
      ToAbsl(fmt::format("group {}: a run behind entry {} is asked for, the last one is {}",
                         group_id, after, group->table.last_index())));
}

absl::StatusOr<std::unique_ptr<RunBuilder>> MemLogStore::BeginRunBehind(const EntryRun& run) {
  const auto& before = static_cast<const MemRun&>(run);
  return std::make_unique<MemRunBuilder>(before.group, before.last);
}

bool MemLogStore::Continues(const EntryRun& run) const {
  const auto& next = static_cast<const MemRun&>(run);
  absl::MutexLock lock(&mutex_);
  const auto group = Find(next.group);
  return group.ok() && (*group)->table.last_index() + 1 == next.entries.front().index;
}

absl::Status MemLogStore::ReadRows(GroupId group, Index first, Index last,
                                   absl::FunctionRef<bool(std::string_view)> take) const {
  ASSIGN_OR_RETURN(const EntryRange range,
                   ReadEntries(group, first, last, std::numeric_limits<uint64_t>::max()));
  for (const StoredEntry& entry : range.entries) {
    const std::string row = EncodeEntryRowHeader(group, RefTo(entry), /*bytes_through=*/0);
    if (!take(row + std::string(entry.payload.view()))) break;
  }
  return absl::OkStatus();
}

absl::StatusOr<EntryRange> MemLogStore::ReadEntries(GroupId group_id, Index first, Index last,
                                                    uint64_t max_bytes) const {
  absl::MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(const Group* group, Find(group_id));
  if (!group->table.Holds(first)) {
    return absl::OutOfRangeError(
        ToAbsl(fmt::format("group {}: index {} asked for, {} through {} are stored", group_id,
                           first, group->table.before_index() + 1, group->table.last_index())));
  }
  EntryRange range;
  uint64_t bytes = 0;
  for (auto it = group->entries.find(first); it != group->entries.end() && it->first <= last;
       ++it) {
    const StoredRow& row = it->second;
    if (ChecksumOf(row.entry.payload) != row.checksum) {
      if (!range.entries.empty()) break;
      return absl::DataLossError(ToAbsl(
          fmt::format("group {}: entry {} does not match its checksum", group_id, it->first)));
    }
    bytes += row.entry.payload.size();
    if (bytes > max_bytes && !range.entries.empty()) break;
    range.entries.push_back(row.entry);
  }
  return range;
}

absl::StatusOr<Index> MemLogStore::SeekSeq(GroupId group_id, Seq seq) const {
  absl::MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(const Group* group, Find(group_id));
  const auto after = group->seqs.upper_bound(seq);
  if (after != group->seqs.begin()) {
    const auto& [first_seq, row] = *std::prev(after);
    if (seq < first_seq + row.record_count) return row.index;
  }
  return absl::OutOfRangeError(
      ToAbsl(fmt::format("group {}: seq {} is not stored", group_id, seq)));
}

absl::StatusOr<std::optional<Seq>> MemLogStore::SeekTime(GroupId group_id,
                                                         int64_t timestamp_us) const {
  absl::MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(const Group* group, Find(group_id));
  for (const auto& [first_seq, row] : group->seqs) {
    if (row.timestamp_us >= timestamp_us) return std::optional<Seq>(first_seq);
  }
  return std::optional<Seq>();
}

absl::StatusOr<std::vector<StoredGroup>> MemLogStore::LoadGroups() const {
  absl::MutexLock lock(&mutex_);
  std::vector<StoredGroup> groups;
  for (const auto& [id, group] : live_) {
    StoredGroup& stored = groups.emplace_back();
    stored.group = id;
    stored.hard_state = group.hard_state;
    stored.before_index = group.table.before_index();
    stored.before_term = group.table.before_term();
    stored.last_index = group.table.last_index();
    stored.terms = group.table.terms();
    for (const auto& [before_index, row] : group.segments) stored.segments.push_back(row);
  }
  return groups;
}

absl::StatusOr<std::vector<uint64_t>> MemLogStore::SegmentBytes(GroupId group_id) const {
  absl::MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(const Group* group, Find(group_id));
  return group->table.SegmentBytes();
}

NodeIdentity MemLogStore::Identity() const {
  absl::MutexLock lock(&mutex_);
  return identity_;
}

absl::Status MemLogStore::SetFormed(const std::string& formed) {
  absl::MutexLock lock(&mutex_);
  identity_.formed = formed;
  return absl::OkStatus();
}

RecoveryVerdict MemLogStore::Verdict() const {
  absl::MutexLock lock(&mutex_);
  return verdict_;
}

std::string MemLogStore::VerdictDetail() const {
  absl::MutexLock lock(&mutex_);
  return verdict_detail_;
}

absl::Status MemLogStore::ResolveVerdict() {
  absl::MutexLock lock(&mutex_);
  verdict_ = RecoveryVerdict::kSound;
  verdict_detail_ = "resolved";
  return absl::OkStatus();
}

Room MemLogStore::FreeRoom() const {
  absl::MutexLock lock(&mutex_);
  return room_;
}

StoreStats MemLogStore::Stats() const {
  absl::MutexLock lock(&mutex_);
  return stats_;
}

// ---- The disk behind it -------------------------------------------------------------

void MemLogStore::WriteUnsynced(const StoreBatch& batch) {
  absl::MutexLock lock(&mutex_);
  Apply(batch, live_);
  unsynced_.push_back(batch);
  ++stats_.turns;
  const uint64_t bytes = PayloadBytes(batch);
  stats_.bytes_written += bytes;
  stats_.wal_bytes += bytes;
}

void MemLogStore::SyncFirstLocked(size_t batches) {
  for (size_t i = 0; i < batches; ++i) {
    recent_.push_back(std::move(unsynced_.front()));
    unsynced_.pop_front();
  }
  while (recent_.size() > kHistory) {
    Apply(recent_.front(), durable_);
    recent_.pop_front();
  }
  ++stats_.syncs;
}

void MemLogStore::Sync() {
  absl::MutexLock lock(&mutex_);
  SyncFirstLocked(unsynced_.size());
}

void MemLogStore::SyncFirst(size_t batches) {
  absl::MutexLock lock(&mutex_);
  CHECK_LE(batches, unsynced_.size());
  SyncFirstLocked(batches);
}

size_t MemLogStore::unsynced_batches() const {
  absl::MutexLock lock(&mutex_);
  return unsynced_.size();
}

void MemLogStore::Crash(CrashFault fault, Random& random) {
  absl::MutexLock lock(&mutex_);
  size_t kept = unsynced_.size();
  bool torn = false;
  if (fault == CrashFault::kLoseAll) kept = 0;
  if (fault == CrashFault::kTear && !unsynced_.empty()) {
    kept = random.Below(unsynced_.size());
    torn = true;
  }
  const size_t lost = unsynced_.size() - kept;
  SyncFirstLocked(kept);
  unsynced_.clear();
  live_ = durable_;
  for (const StoreBatch& batch : recent_) Apply(batch, live_);
  if (torn) {
    verdict_ = std::max(verdict_, RecoveryVerdict::kAmbiguous);
    verdict_detail_ = fmt::format("the last turn is torn; {} turns dropped", lost);
  } else if (verdict_ == RecoveryVerdict::kSound) {
    verdict_detail_ = fmt::format("clean end; {} unsynced turns dropped", lost);
  }
}

size_t MemLogStore::LoseTurns(size_t turns, RecoveryVerdict verdict) {
  absl::MutexLock lock(&mutex_);
  CHECK(unsynced_.empty());
  const size_t taken = std::min(turns, recent_.size());
  recent_.erase(recent_.end() - static_cast<ptrdiff_t>(taken), recent_.end());
  live_ = durable_;
  for (const StoreBatch& batch : recent_) Apply(batch, live_);
  if (taken > 0) {
    verdict_ = std::max(verdict_, verdict);
    verdict_detail_ = fmt::format("{} synced turns are missing", taken);
  }
  return taken;
}

bool MemLogStore::FlipBit(GroupId group_id, Index index, Random& random) {
  absl::MutexLock lock(&mutex_);
  // Damage outlives a crash: what is synced is first moved to where a crash falls back to.
  for (; !recent_.empty(); recent_.pop_front()) Apply(recent_.front(), durable_);
  const uint64_t draw = random.Next();
  FlipIn(durable_, group_id, index, draw);
  return FlipIn(live_, group_id, index, draw);
}

void MemLogStore::FailWrites(absl::Status status) {
  absl::MutexLock lock(&mutex_);
  write_status_ = std::move(status);
}

void MemLogStore::SetRoom(Room room) {
  absl::MutexLock lock(&mutex_);
  room_ = room;
}

}  // namespace cairn::storage
