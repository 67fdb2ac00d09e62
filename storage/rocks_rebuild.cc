// A database that cannot be read whole is rebuilt, at a start, from what can be read of it.
//
//   a read or a compaction meets damage ──► DAMAGED          (the process goes on)
//   all other nodes are whole           ──► "rebuild" in DAMAGED, and the node starts again
//   that start, or one that cannot open the database
//     │
//     ├─ state and meta rows read ──► CopyWhatReads: every log as far as its entries go without a
//     │                               gap. A log that ends too early gets a damage row
//     └─ they do not ──────────────► BeginAnew: nothing but the node's name; verdict kLost
//     ▼
//   (one that can be opened: all others are asked once more, and as it is if one of them is not)
//     ▼
//   the new database takes the old one's place, which is kept in damaged/db (DataDir::PutInPlace)
//
// Why a copy: RocksDB cannot be told to let go of a damaged block. A compaction that meets it
// fails as often as it is tried, also when newer rows or tombstones have replaced what it held.
//
// Why it is safe: what a log lost is known, for it says so in the damage row, or the verdict
// does. Its replica then votes for nobody, leads nothing and is not counted until a leader has
// sent it everything that it may ever have acknowledged (docs/decisions/005, 016). Terms and votes
// are copied; if they cannot be, the verdict is kLost, which is the case of decision 005 in which
// all of the node's memory is gone.
//
// A start that can open the database rebuilds nothing by itself: the replicas that it would cut
// may be needed by others that are in doubt (server/runtime/repair_turn.h).
//
// Nothing is rebuilt where no other node holds the data: then it stays as it is.

#include "storage/rocks_rebuild.h"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "storage/damage.h"
#include "storage/key_codec.h"
#include "storage/rocks_hooks.h"
#include "storage/rocks_impl.h"
#include "storage/rocks_rows.h"
#include "storage/rocks_status.h"

namespace cairn::storage {
namespace {

constexpr size_t kBatchBytes = 1 << 20;

uint64_t BytesIn(const std::string& dir) {
  uint64_t sum = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator it(dir, error), end; !error && it != end;
       it.increment(error)) {
    std::error_code gone;
    const uint64_t bytes = it->file_size(gone);
    if (!gone) sum += bytes;
  }
  return sum;
}

absl::Status CheckRoom(const DataDir& dir) {
  const uint64_t needed = BytesIn(dir.File("db"));
  struct statvfs info;
  if (statvfs(dir.path().c_str(), &info) != 0) return absl::OkStatus();
  const uint64_t free_bytes = uint64_t{info.f_bavail} * info.f_frsize;
  if (free_bytes >= needed) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      ToAbsl(fmt::format("data directory {}: its database is damaged and has to be rebuilt beside "
                         "itself: that takes {} bytes, {} are free",
                         dir.path(), needed, free_bytes)));
}

// How far the entries of a log go without a gap.
struct Readable {
  Index last;
  Seq next_seq;  // Of the first record behind it.
  uint64_t entries = 0;
  std::string why;  // Not empty: more was there.
};

// Copies the entries of `group` up to the first that does not read, with rows of their seqs.
absl::StatusOr<Readable> CopyEntries(const Columns& from, const LoadedGroup& group,
                                     RebuiltDatabase& to) {
  const GroupId id = group.stored.group;
  Readable found;
  if (group.segments.empty()) return found;
  found.last = group.stored.before_index;
  found.next_seq = group.segments.front().first_seq;
  const std::string end = GroupEnd(id);
  const rocksdb::Slice end_slice = end;
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &end_slice;
  options.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> it(
      from.db->NewIterator(options, from[Family::kEntries]));
  for (it->Seek(EntryKey(id, found.last + 1)); it->Valid(); it->Next()) {
    const Index next = found.last + 1;
    if (group.unfinished && next > *group.unfinished) break;
    if (PositionOfKey(it->key().ToStringView()) != next.value()) {
      found.why = fmt::format("entry {} is missing", next);
      return found;
    }
    const auto entry = DecodeEntryRow(id, next, it->value().ToStringView());
    if (!entry.ok()) {
      found.why = ToStd(entry.status().message());
      return found;
    }
    RETURN_IF_ERROR(to.Put(Family::kEntries, it->key().ToStringView(), it->value().ToStringView()));
    if (entry->record_count != 0) {
      const SeqRow row{entry->index, entry->timestamp_us, entry->record_count};
      RETURN_IF_ERROR(to.Put(Family::kSeqs, SeqKey(id, entry->first_seq), EncodeSeqRow(row)));
      found.next_seq = entry->first_seq + entry->record_count;
    }
    found.last = next;
    ++found.entries;
  }
  if (!it->status().ok()) {
    found.why = it->status().ToString();
  } else if (group.segments.back().before_index > found.last ||
             (!group.stored.terms.empty() && group.stored.terms.back().first > found.last)) {
    found.why = fmt::format("entry {} is missing", found.last + 1);
  }
  return found;
}

std::string DescribeDamage(const LoadedGroup& group, const Readable& found) {
  const auto after =
      std::find_if(group.segments.begin(), group.segments.end(),
                   [&](const auto& segment) { return segment.before_index > found.last; });
  CHECK(after != group.segments.begin());
  return Describe({.first = found.last + 1,
                   .segment_first_seq = std::prev(after)->first_seq,
                   .next_seq = found.next_seq,
                   .segments_behind = static_cast<size_t>(group.segments.end() - after),
                   .why = found.why});
}

// The state rows of a log, as they are after `last`.
absl::Status CopyState(const Columns& from, const LoadedGroup& group, const Readable& found,
                       RebuiltDatabase& to) {
  const std::unique_ptr<rocksdb::Iterator> it(
      from.db->NewIterator(rocksdb::ReadOptions(), from[Family::kState]));
  const GroupId id = group.stored.group;
  for (it->Seek(GroupBegin(id)); it->Valid(); it->Next()) {
    const std::optional<StateKey> key = ParseStateKey(it->key().ToStringView());
    CHECK(key);  // LoadGroupRows saw it.
    if (key->group != id) break;
    const bool behind =
        (key->tag == KeyTag::kTerm || key->tag == KeyTag::kSegment) && key->position > found.last;
    if (behind || key->tag == KeyTag::kRun) continue;
    RETURN_IF_ERROR(to.Put(Family::kState, it->key().ToStringView(), it->value().ToStringView()));
  }
  RETURN_IF_ERROR(FromRocks(it->status()));
  if (found.why.empty()) return absl::OkStatus();
  return to.Put(Family::kState, DamageKey(id), DescribeDamage(group, found));
}

}  // namespace

// ---- The database that is made ----------------------------------------------------------------

RebuiltDatabase::RebuiltDatabase(std::shared_ptr<rocksdb::FileSystem> fs, std::string dir,
                                 uint64_t memtable_bytes)
    : dir_(std::move(dir)),
      memtable_bytes_(memtable_bytes),
      env_(rocksdb::NewCompositeEnv(std::move(fs))) {}

RebuiltDatabase::~RebuiltDatabase() { Close().IgnoreError(); }

absl::Status RebuiltDatabase::Create() {
  RETURN_IF_ERROR(Close());
  batch_.Clear();
  std::error_code error;
  std::filesystem::remove_all(dir_, error);
  if (!error) std::filesystem::create_directory(dir_, error);
  if (error) return absl::UnavailableError(ToAbsl(fmt::format("{}: {}", dir_, error.message())));
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* opened = nullptr;
  RETURN_IF_ERROR(FromRocks(rocksdb::DB::Open(
      MakeDbOptions(env_.get(), memtable_bytes_, /*create=*/true, /*direct_io=*/false,
                    /*limiter=*/nullptr, /*listeners=*/{}),
      dir_, MakeFamilies(memtable_bytes_), &handles, &opened)));
  db_.reset(opened);
  columns_.db = opened;
  std::copy(handles.begin(), handles.end(), columns_.handles.begin());
  return absl::OkStatus();
}

absl::Status RebuiltDatabase::Put(Family family, std::string_view key, std::string_view value) {
  RETURN_IF_ERROR(FromRocks(batch_.Put(columns_[family], rocksdb::Slice(key.data(), key.size()),
                                       rocksdb::Slice(value.data(), value.size()))));
  return batch_.GetDataSize() < kBatchBytes ? absl::OkStatus() : WriteBatch();
}

absl::Status RebuiltDatabase::WriteBatch() {
  rocksdb::WriteOptions unlogged;
  unlogged.disableWAL = true;
  RETURN_IF_ERROR(FromRocks(db_->Write(unlogged, &batch_)));
  batch_.Clear();
  return absl::OkStatus();
}

absl::Status RebuiltDatabase::Finish() {
  RETURN_IF_ERROR(WriteBatch());
  for (rocksdb::ColumnFamilyHandle* family : columns_.handles) {
    RETURN_IF_ERROR(FromRocks(db_->Flush(rocksdb::FlushOptions(), family)));
  }
  return Close();
}

absl::Status RebuiltDatabase::Close() {
  if (db_ == nullptr) return absl::OkStatus();
  for (rocksdb::ColumnFamilyHandle*& handle : columns_.handles) {
    db_->DestroyColumnFamilyHandle(std::exchange(handle, nullptr)).PermitUncheckedError();
  }
  const absl::Status closed = FromRocks(db_->Close());
  db_.reset();
  return closed;
}

// ---- The store's part -------------------------------------------------------------------------

absl::Status RocksLogStore::Impl::CheckDamageNote() {
  const DataDir::Damage noted = dir->NotedDamage();
  if (noted.detail.empty()) return absl::OkStatus();
  {
    absl::MutexLock facts(&facts_mutex);
    rebuild_is_asked = noted.rebuild && PeersHoldIt(identity);
    if (rebuild_is_asked) return absl::DataLossError(ToAbsl(noted.detail));
  }
  absl::MutexLock lock(&damage_mutex);
  damage = noted.detail;
  return absl::OkStatus();
}

absl::Status RocksLogStore::Impl::CopyWhatReads(RebuiltDatabase& to) const {
  ASSIGN_OR_RETURN(const std::vector<LoadedGroup> groups, LoadGroupRows(columns, nullptr));
  for (const LoadedGroup& group : groups) {
    ASSIGN_OR_RETURN(const Readable found, CopyEntries(columns, group, to));
    RETURN_IF_ERROR(CopyState(columns, group, found, to));
  }
  const std::unique_ptr<rocksdb::Iterator> it(
      columns.db->NewIterator(rocksdb::ReadOptions(), columns[Family::kMeta]));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    RETURN_IF_ERROR(to.Put(Family::kMeta, it->key().ToStringView(), it->value().ToStringView()));
  }
  return FromRocks(it->status());
}

absl::Status RocksLogStore::Impl::BeginAnew(const NodeIdentity& node, RebuiltDatabase& to,
                                            const absl::Status& why) {
  RETURN_IF_ERROR(
      dir->StoreVerdict(RecoveryVerdict::kLost,
                        fmt::format("the database could not be read and was begun anew: {}; what "
                                    "was there is in {}/db",
                                    ToStd(why.message()), dir->File("damaged"))));
  const auto marked = SideMark::Load(*base_fs, dir->File("MARK"), boot_id);
  RETURN_IF_ERROR(
      to.Put(Family::kMeta, MetaKey(KeyTag::kTurn), EncodeNumber(marked ? marked->turn : 0)));
  RETURN_IF_ERROR(
      to.Put(Family::kMeta, MetaKey(KeyTag::kIdentity), EncodeNumber(node.incarnation)));
  return to.Put(Family::kMeta, MetaKey(KeyTag::kFormed), node.formed);
}

absl::StatusOr<NodeIdentity> RocksLogStore::Impl::WhoCanBeFilled(const absl::Status& why) const {
  absl::StatusOr<NodeIdentity> node = dir->LoadIdentity();
  if (node.ok() && PeersHoldIt(*node)) return node;
  return absl::DataLossError(ToAbsl(
      fmt::format("{}. It was left as it is, since {}: repair its disk or bring its files back",
                  ToStd(why.message()),
                  node.ok() ? "no other node has what it holds" : ToStd(node.status().message()))));
}

absl::StatusOr<bool> RocksLogStore::Impl::Rebuild(const absl::Status& why) {
  ASSIGN_OR_RETURN(const NodeIdentity node, WhoCanBeFilled(why));
  RETURN_IF_ERROR(CheckRoom(*dir));
  RebuiltDatabase to(base_fs, dir->File(DataDir::kRebuiltDb), options.memtable_bytes);
  RETURN_IF_ERROR(to.Create());
  absl::Status copied = identity_is_read ? CopyWhatReads(to) : why;
  const bool anew = absl::IsDataLoss(copied);
  if (anew) {
    RETURN_IF_ERROR(to.Create());
    copied = BeginAnew(node, to, copied);
  }
  RETURN_IF_ERROR(copied);
  RETURN_IF_ERROR(to.Finish());
  if (rebuild_is_asked && !anew && options.peers_can_spare_it &&
      !options.peers_can_spare_it(node)) {
    CloseDatabase();
    RETURN_IF_ERROR(dir->NoteDamage({std::string(ToStd(why.message())), /*rebuild=*/false}));
    return false;
  }
  // The marked length of a manifest says nothing about the one that comes now, though it may have
  // the same number. In both slots, or the longer one would count.
  mark.reset();
  if (const auto marked = SideMark::Load(*base_fs, dir->File("MARK"), boot_id)) {
    ASSIGN_OR_RETURN(mark, SideMark::Open(*base_fs, dir->File("MARK"), boot_id));
    RETURN_IF_ERROR(mark->Write(marked->turn, {}));
    RETURN_IF_ERROR(mark->Write(marked->turn, {}));
    RETURN_IF_ERROR(mark->Sync());
  }
  CloseDatabase();
  RETURN_IF_ERROR(dir->PutInPlace());
  return true;
}

void RocksLogStore::Impl::TellRebuilt(const absl::Status& why) {
  absl::MutexLock facts(&facts_mutex);
  decision.detail = fmt::format(
      "the database was rebuilt from what can be read: {}. The old one is kept in {}/db and may be "
      "deleted once all logs are whole; {}",
      ToStd(why.message()), dir->File("damaged"), decision.detail);
}

// ---- Damage that is noticed -------------------------------------------------------------------

void RocksLogStore::Impl::NoteDamage(std::string_view detail) const {
  absl::MutexLock lock(&damage_mutex);
  if (!damage.empty()) return;
  damage = detail;
  // If it cannot be noted now, it will be met again.
  dir->NoteDamage({damage, false}).IgnoreError();
}

absl::Status RocksLogStore::Impl::Noted(absl::Status status) const {
  if (absl::IsDataLoss(status)) NoteDamage(ToStd(status.message()));
  return status;
}

std::string RocksLogStore::Damage() const {
  absl::MutexLock lock(&impl_->damage_mutex);
  return impl_->damage;
}

absl::Status RocksLogStore::RebuildAtNextOpen() {
  absl::MutexLock lock(&impl_->damage_mutex);
  CHECK(!impl_->damage.empty());
  return impl_->dir->NoteDamage({impl_->damage, true});
}

}  // namespace cairn::storage
