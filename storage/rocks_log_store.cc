#include "storage/rocks_log_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "storage/key_codec.h"
#include "storage/rocks_batch.h"
#include "storage/rocks_impl.h"
#include "storage/rocks_rows.h"
#include "storage/rocks_status.h"

namespace cairn::storage {

// ---- Life -----------------------------------------------------------------------------

absl::StatusOr<std::unique_ptr<RocksLogStore>> RocksLogStore::Open(RocksOptions options) {
  auto impl = std::make_unique<Impl>(options);
  const absl::Status opened = impl->Open();
  if (absl::IsDataLoss(opened) && impl->HasStore()) {
    ASSIGN_OR_RETURN(const bool rebuilt, impl->Rebuild(opened));
    impl.reset();  // And with it the lock.
    impl = std::make_unique<Impl>(std::move(options));
    RETURN_IF_ERROR(impl->Open());
    if (rebuilt) impl->TellRebuilt(opened);
  } else {
    RETURN_IF_ERROR(opened);
  }
  return std::unique_ptr<RocksLogStore>(new RocksLogStore(std::move(impl)));
}

RocksLogStore::RocksLogStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RocksLogStore::~RocksLogStore() = default;

RocksLogStore::Impl::~Impl() {
  {
    absl::MutexLock lock(&upkeep_mutex);
    stopping = true;
  }
  if (upkeep_thread.joinable()) upkeep_thread.join();
  mark.reset();
  CloseDatabase();
  if (wal_fs) wal_fs->Stop();
}

void RocksLogStore::Impl::CloseDatabase() {
  if (db == nullptr) return;
  reclaimer.reset();
  for (rocksdb::ColumnFamilyHandle* handle : columns.handles) {
    if (handle != nullptr) db->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
  }
  db->Close().PermitUncheckedError();
  db.reset();
}

// ---- Upkeep ---------------------------------------------------------------------------

void RocksLogStore::Impl::StartUpkeep() {
  if (options.upkeep_period_us > 0) upkeep_thread = std::thread([this] { RunUpkeep(); });
}

void RocksLogStore::Impl::RunUpkeep() {
  while (true) {
    {
      absl::MutexLock lock(&upkeep_mutex);
      if (upkeep_mutex.AwaitWithTimeout(absl::Condition(&stopping),
                                        absl::Microseconds(options.upkeep_period_us))) {
        return;
      }
    }
    absl::Status status = Upkeep();
    if (status.ok()) status = reclaimer->Run();
    if (status.ok()) continue;
    // The disk does not do what it is told: the next turn stops the process.
    absl::MutexLock lock(&write_mutex);
    failure = Annotate(status, "upkeep");
    return;
  }
}

absl::Status RocksLogStore::Impl::Upkeep() {
  RETURN_IF_ERROR(mark->WriteManifest(manifest_fs->synced()));
  RETURN_IF_ERROR(mark->Sync());
  return space->Upkeep();
}

absl::Status RocksLogStore::Upkeep() {
  RETURN_IF_ERROR(impl_->Upkeep());
  return impl_->reclaimer->RunNow();
}

// ---- Writing --------------------------------------------------------------------------

void RocksLogStore::Impl::BeginTurn() {
  batch.Clear();
  ++turn;
}

absl::Status RocksLogStore::Impl::Commit() {
  rocksdb::WriteOptions synced;
  synced.sync = true;
  failure =
      FromRocks(batch.Put(columns[Family::kMeta], MetaKey(KeyTag::kTurn), EncodeNumber(turn)));
  if (failure.ok()) failure = FromRocks(db->Write(synced, &batch));
  // Before anybody is told.
  if (failure.ok()) failure = mark->Write(turn, manifest_fs->synced());
  if (failure.ok()) turns.fetch_add(1, std::memory_order_relaxed);
  failure = Noted(std::move(failure));
  PaceBackground();
  return failure;
}

void RocksLogStore::Impl::PaceBackground() {
  const MonoMicros now = options.clock->Mono();
  if (!pace.Due(now)) return;
  using Properties = rocksdb::DB::Properties;
  const auto number = [&](const std::string& property) {
    std::string text;
    uint64_t value = 0;
    // (Always there and a number.)
    if (db->GetProperty(columns[Family::kEntries], property, &text)) {
      std::from_chars(text.data(), text.data() + text.size(), value);
    }
    return value;
  };
  const Backlog backlog{.full_memtables = number(Properties::kNumImmutableMemTable),
                        .level0_files = number(Properties::kNumFilesAtLevelPrefix + "0"),
                        .compacts = number(Properties::kCompactionPending) != 0 ||
                                    number(Properties::kNumRunningCompactions) != 0};
  limiter->SetBytesPerSecond(pace.Adjust(now, wal_fs->appended_bytes(), backlog));
}

void RocksLogStore::Impl::Publish(const std::set<GroupId>& changed) {
  for (const GroupId group : changed) {
    const auto it = tables.live.find(group);
    if (it == tables.live.end()) {
      extents.Remove(group);
    } else {
      const SegmentTable& table = it->second;
      extents.Set(group, {table.before_index(), table.last_index(), table.bytes()});
    }
  }
}

absl::Status RocksLogStore::Impl::Write(const StoreBatch& writes) {
  absl::MutexLock lock(&write_mutex);
  RETURN_IF_ERROR(failure);
  const WallMicros now = options.clock->Wall();
  trash_clock.Look(options.clock->Mono(), now);
  RETURN_IF_ERROR(PreparePurges(writes));
  RETURN_IF_ERROR(PrepareRuns(writes));
  BeginTurn();
  BatchBuilder builder(columns, &tables, &batch, now);
  for (auto it = tables.trash.begin(); it != tables.trash.end();) {
    const auto [group, removed_at] = *it++;
    if (IsOver(removed_at)) RETURN_IF_ERROR(builder.Purge(group));
  }
  for (const GroupWrite& write : writes.groups) RETURN_IF_ERROR(Noted(builder.Add(write)));
  const absl::MutexLockMaybe reuse(builder.reuses_indexes() ? &reclaimer->reuse_mutex() : nullptr);
  RETURN_IF_ERROR(Commit());
  Publish(builder.changed());
  reclaimer->Note(builder.shrunk());
  for (const auto& [group, last] : builder.buried()) {
    buried[group] = std::max(buried[group], last);
  }
  payload_bytes.fetch_add(builder.payload_bytes(), std::memory_order_relaxed);
  return absl::OkStatus();
}

absl::Status RocksLogStore::Impl::PreparePurges(const StoreBatch& writes) {
  if (tables.trash.empty()) return absl::OkStatus();
  std::set<GroupId> purged;
  for (const auto& [group, removed_at] : tables.trash) {
    if (IsOver(removed_at)) purged.insert(group);
  }
  for (const GroupWrite& write : writes.groups) {
    if (LeavesAGroup(write) && tables.trash.contains(write.group)) purged.insert(write.group);
  }
  std::vector<GroupId> large;
  for (const GroupId group : purged) {
    if (reclaimer->HasTables(group)) large.push_back(group);
  }
  if (large.empty()) return absl::OkStatus();
  // First that they count for nobody: a check of the directory would miss what is dropped.
  BeginTurn();
  for (const GroupId group : large) {
    RETURN_IF_ERROR(
        FromRocks(batch.Put(columns[Family::kState], TrashKey(group), EncodeNumber(kPurging))));
  }
  RETURN_IF_ERROR(Commit());
  failure = Noted(reclaimer->DropTables(large));
  return failure;
}

absl::Status RocksLogStore::Write(const StoreBatch& batch) { return impl_->Write(batch); }

absl::Status RocksLogStore::Impl::SetFormed(const std::string& formed) {
  absl::MutexLock lock(&write_mutex);
  RETURN_IF_ERROR(failure);
  BeginTurn();
  RETURN_IF_ERROR(FromRocks(batch.Put(columns[Family::kMeta], MetaKey(KeyTag::kFormed), formed)));
  RETURN_IF_ERROR(Commit());
  absl::MutexLock facts(&facts_mutex);
  identity.formed = formed;
  return dir->StoreIdentity(identity);
}

absl::Status RocksLogStore::SetFormed(const std::string& formed) {
  return impl_->SetFormed(formed);
}

// ---- Facts ----------------------------------------------------------------------------

NodeIdentity RocksLogStore::Identity() const {
  absl::MutexLock lock(&impl_->facts_mutex);
  return impl_->identity;
}

RecoveryVerdict RocksLogStore::Verdict() const {
  absl::MutexLock lock(&impl_->facts_mutex);
  return impl_->decision.verdict;
}

std::string RocksLogStore::VerdictDetail() const {
  absl::MutexLock lock(&impl_->facts_mutex);
  return impl_->decision.detail;
}

absl::Status RocksLogStore::Impl::ResolveVerdict() {
  absl::MutexLock lock(&write_mutex);
  RETURN_IF_ERROR(failure);
  // A turn behind the mark: else the next start would miss the lost ones again.
  BeginTurn();
  RETURN_IF_ERROR(Commit());
  RETURN_IF_ERROR(dir->ClearVerdict());
  absl::MutexLock facts(&facts_mutex);
  decision = {RecoveryVerdict::kSound, "resolved"};
  return absl::OkStatus();
}

absl::Status RocksLogStore::ResolveVerdict() { return impl_->ResolveVerdict(); }

Room RocksLogStore::FreeRoom() const { return impl_->space->FreeRoom(); }

StoreStats RocksLogStore::Stats() const {
  StoreStats stats;
  stats.turns = impl_->turns.load(std::memory_order_relaxed);
  stats.syncs = stats.turns;  // One each, whatever the turn holds.
  stats.bytes_written = impl_->payload_bytes.load(std::memory_order_relaxed);
  stats.disk_bytes = impl_->DiskBytes();
  stats.wal_bytes = impl_->wal_fs->appended_bytes();
  stats.table_bytes = impl_->table_bytes->bytes();
  // All families share one cache.
  impl_->db->GetIntProperty(rocksdb::DB::Properties::kBlockCacheUsage, &stats.cache_bytes);
  return stats;
}

uint64_t RocksLogStore::Impl::DiskBytes() const {
  uint64_t sum = 0;
  std::error_code error;
  // Files come and go meanwhile: one that is gone counts nothing.
  for (std::filesystem::recursive_directory_iterator it(dir->path(), error), end;
       !error && it != end; it.increment(error)) {
    std::error_code gone;
    const uint64_t bytes = it->is_regular_file(gone) ? it->file_size(gone) : 0;
    if (!gone) sum += bytes;
  }
  return sum;
}

}  // namespace cairn::storage
