// How a directory comes back. The order matters:
//   1. lock, format; the file systems;
//   2. read the side mark and scan the write-ahead log, before RocksDB touches anything;
//   3. trouble: write the verdict that is feared, and only then cut (a crash in between must
//      not make the evidence vanish);
//   4. open RocksDB, which must now find a log without a flaw; its newest turn and the mark
//      give the verdict (recovery.h);
//   5. go on counting turns behind both, so that no number means two things;
//   6. delete what is left of a run that was being taken (rocks_run.h).
// A database that cannot be read, in whole or in part, is rebuilt and opened again
// (rocks_rebuild.cc).
#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "storage/direct_wal_file.h"
#include "storage/key_codec.h"
#include "storage/portion_fs.h"
#include "storage/rocks_hooks.h"
#include "storage/rocks_impl.h"
#include "storage/rocks_rows.h"
#include "storage/rocks_status.h"
#include "storage/wal_scan.h"

namespace cairn::storage {
namespace {

constexpr uint64_t kMinWatermarkBytes = 512ull << 20;
constexpr uint64_t kMinMemtableBytes = 256ull << 10;
constexpr uint64_t kMaxMemtableBytes = 1ull << 30;

uint64_t DrawIncarnation() {
  std::random_device device;
  uint64_t drawn = 0;
  while (drawn == 0) drawn = (uint64_t{device()} << 32) | device();
  return drawn;
}

absl::StatusOr<std::string> GetMeta(const Columns& columns, KeyTag tag) {
  std::string value;
  RETURN_IF_ERROR(FromRocks(
      columns.db->Get(rocksdb::ReadOptions(), columns[Family::kMeta], MetaKey(tag), &value)));
  return value;
}

}  // namespace

absl::Status RocksLogStore::Impl::Open() {
  CHECK_GE(options.memtable_bytes, kMinMemtableBytes);
  CHECK_LE(options.memtable_bytes, kMaxMemtableBytes);
  ASSIGN_OR_RETURN(dir, DataDir::Open(options.dir, options.create));
  boot_id = options.boot_id.empty() ? CurrentBootId() : options.boot_id;
  RETURN_IF_ERROR(dir->OpenLeftovers());
  RETURN_IF_ERROR(OpenFiles());
  RecoveryEvidence evidence;
  if (!dir->is_new()) RETURN_IF_ERROR(PrepareLog(evidence));
  RETURN_IF_ERROR(OpenDatabase());
  if (dir->is_new()) {
    RETURN_IF_ERROR(CreateMeta());
  } else {
    RETURN_IF_ERROR(LoadMeta());
    RETURN_IF_ERROR(Judge(evidence));
    RETURN_IF_ERROR(CheckDamageNote());
  }
  RETURN_IF_ERROR(OpenMark(evidence));
  RETURN_IF_ERROR(LoadExtents());
  RETURN_IF_ERROR(DropUnfinishedRuns());
  if (dir->is_new()) RETURN_IF_ERROR(dir->FinishCreation());
  RETURN_IF_ERROR(space->Upkeep());
  StartUpkeep();
  return absl::OkStatus();
}

uint64_t WatermarkBytes(const RocksOptions& options) {
  if (options.watermark_bytes != 0) return options.watermark_bytes;
  return std::max(kMinWatermarkBytes, 2 * MemtablesAndWalBytes(options.memtable_bytes));
}

absl::Status RocksLogStore::Impl::OpenFiles() {
  base_fs = rocksdb::FileSystem::Default();
  if (options.hooks != nullptr && options.hooks->file_system) base_fs = options.hooks->file_system;
  RETURN_IF_ERROR(
      FromRocks(base_fs->CreateDirIfMissing(dir->File("db"), rocksdb::IOOptions(), nullptr)));
  RETURN_IF_ERROR(FromRocks(
      base_fs->CreateDirIfMissing(dir->File(DataDir::kRuns), rocksdb::IOOptions(), nullptr)));
  WalPoolFs::Options wal;
  wal.db_dir = dir->File("db");
  wal.pool_dir = dir->File("wal-pool");
  wal.file_bytes = WalFileBytes(options.memtable_bytes);
  wal.pool_files = options.wal_pool_files;
  wal.live_files = MostLiveWals();
  limiter = MakeLimiter();
  wal.limiter = limiter;
  manifest_fs = std::make_shared<ManifestWatchFs>(std::make_shared<PortionFs>(base_fs), wal.db_dir);
  wal_fs = std::make_shared<WalPoolFs>(manifest_fs, wal);
  RETURN_IF_ERROR(wal_fs->Start());
  env = rocksdb::NewCompositeEnv(wal_fs);

  SpaceGuard::Options guard;
  guard.dir = dir->path();
  guard.ballast_path = dir->File("BALLAST");
  guard.ballast_bytes = options.ballast_bytes;
  guard.watermark_bytes = WatermarkBytes(options);
  guard.clock = options.clock;
  guard.free_bytes = options.free_bytes;
  space = std::make_unique<SpaceGuard>(std::move(guard));
  return absl::OkStatus();
}

absl::Status RocksLogStore::Impl::PrepareLog(RecoveryEvidence& evidence) {
  evidence.earlier = dir->StoredVerdict();
  evidence.mark = SideMark::Load(*base_fs, dir->File("MARK"), boot_id);
  if (evidence.mark) RETURN_IF_ERROR(CheckManifest(*evidence.mark));
  ASSIGN_OR_RETURN(const WalScan scan, ScanWals(*base_fs, dir->File("db")));
  evidence.wal_end = scan.end;
  if (scan.end == WalEnd::kClean) return absl::OkStatus();
  // What the newest turn is shows only after the cut. Until then the worst is assumed.
  const RecoveryVerdict feared =
      scan.end == WalEnd::kDamagedMid ? RecoveryVerdict::kLost : RecoveryVerdict::kAmbiguous;
  const WalFile& bad = scan.files[scan.bad_file];
  RETURN_IF_ERROR(
      dir->StoreVerdict(std::max(feared, evidence.earlier),
                        fmt::format("{}: damaged from byte {} on; a copy is in {}", bad.path,
                                    OffsetInFile(bad, bad.scan.valid_end), dir->File("damaged"))));
  return CutWal(*base_fs, scan, dir->File("damaged"));
}

absl::Status RocksLogStore::Impl::CannotOpen(const rocksdb::Status& status) const {
  const absl::Status cause = FromRocks(status);
  // Files that are missing or do not match are damage, however RocksDB calls it.
  const bool is_damage = status.IsCorruption() || status.IsNotFound() || status.IsPathNotFound() ||
                         status.IsInvalidArgument();
  if (!is_damage) return Annotate(cause, fmt::format("data directory {}", dir->path()));
  return Damaged(ToStd(cause.message()));
}

absl::Status RocksLogStore::Impl::Damaged(std::string_view cause) const {
  return absl::DataLossError(
      ToAbsl(fmt::format("data directory {} is damaged: {}", dir->path(), cause)));
}

absl::Status RocksLogStore::Impl::CheckManifest(const SideMarkFound& marked) const {
  const ManifestExtent found = manifest_fs->Find();
  if (found.number != marked.manifest.number || found.bytes >= marked.manifest.bytes) {
    return absl::OkStatus();
  }
  return Damaged(fmt::format("MANIFEST-{:06} has {} bytes, {} were synced", found.number,
                             found.bytes, marked.manifest.bytes));
}

absl::Status RocksLogStore::Impl::OpenDatabase() {
  table_bytes = std::make_shared<TableBytesListener>();
  const auto damage_listener = std::make_shared<DamageListener>(
      [this](const std::string& detail) { NoteDamage("a compaction: " + detail); });
  std::vector<std::shared_ptr<rocksdb::EventListener>> listeners = {table_bytes, damage_listener};
  if (options.hooks != nullptr && options.hooks->listener) {
    listeners.push_back(options.hooks->listener);
  }
  const rocksdb::DBOptions db_options =
      MakeDbOptions(env.get(), options.memtable_bytes, dir->is_new(),
                    TakesDirectIo(dir->File("LOCK")), limiter, std::move(listeners));
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* opened = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(
      db_options, dir->File("db"), MakeFamilies(options.memtable_bytes), &handles, &opened);
  if (!status.ok()) return CannotOpen(status);
  db.reset(opened);
  CHECK_EQ(handles.size(), kFamilies);
  columns.db = opened;
  std::copy(handles.begin(), handles.end(), columns.handles.begin());
  return absl::OkStatus();
}

absl::Status RocksLogStore::Impl::LoadMeta() {
  const auto annotated = [this](const absl::Status& status) {
    return absl::DataLossError(ToAbsl(fmt::format("data directory {} has no readable identity: {}",
                                                  dir->path(), ToStd(status.message()))));
  };
  const absl::StatusOr<std::string> turn_row = GetMeta(columns, KeyTag::kTurn);
  const absl::StatusOr<std::string> identity_row = GetMeta(columns, KeyTag::kIdentity);
  const absl::StatusOr<std::string> formed = GetMeta(columns, KeyTag::kFormed);
  if (!turn_row.ok()) return annotated(turn_row.status());
  if (!identity_row.ok()) return annotated(identity_row.status());
  if (!formed.ok() && !absl::IsNotFound(formed.status())) return annotated(formed.status());
  ASSIGN_OR_RETURN(const uint64_t newest_turn, DecodeNumber(*turn_row));
  ASSIGN_OR_RETURN(const uint64_t incarnation, DecodeNumber(*identity_row));
  absl::MutexLock lock(&write_mutex);
  turn = newest_turn;
  absl::MutexLock facts(&facts_mutex);
  identity = {incarnation, formed.ok() ? *formed : std::string()};
  identity_is_read = true;
  return dir->StoreIdentity(identity);
}

absl::Status RocksLogStore::Impl::CreateMeta() {
  // Without FORMAT nobody was ever told of a turn; if there are some all the same, FORMAT
  // was lost, and making the store anew would bury them.
  const absl::StatusOr<std::string> turn_row = GetMeta(columns, KeyTag::kTurn);
  if (turn_row.ok() && *turn_row != EncodeNumber(0)) {
    return absl::DataLossError(ToAbsl(
        fmt::format("data directory {} holds a store, but its FORMAT file is gone: bring that "
                    "back, or choose an empty directory",
                    dir->path())));
  }
  const uint64_t incarnation = DrawIncarnation();
  RETURN_IF_ERROR(dir->StoreIdentity({incarnation, ""}));
  rocksdb::WriteBatch first;
  RETURN_IF_ERROR(
      FromRocks(first.Put(columns[Family::kMeta], MetaKey(KeyTag::kTurn), EncodeNumber(0))));
  RETURN_IF_ERROR(FromRocks(
      first.Put(columns[Family::kMeta], MetaKey(KeyTag::kIdentity), EncodeNumber(incarnation))));
  rocksdb::WriteOptions synced;
  synced.sync = true;
  RETURN_IF_ERROR(FromRocks(db->Write(synced, &first)));
  absl::MutexLock facts(&facts_mutex);
  identity = {incarnation, ""};
  decision.detail = "new";
  return absl::OkStatus();
}

absl::Status RocksLogStore::Impl::Judge(RecoveryEvidence evidence) {
  {
    absl::MutexLock lock(&write_mutex);
    evidence.newest_turn = turn;
    if (evidence.mark) turn = std::max(turn, evidence.mark->turn);
  }
  RecoveryDecision judged = DecideRecovery(evidence);
  if (judged.verdict == RecoveryVerdict::kSound) {
    RETURN_IF_ERROR(dir->ClearVerdict());
  } else {
    RETURN_IF_ERROR(dir->StoreVerdict(judged.verdict, judged.detail));
  }
  absl::MutexLock facts(&facts_mutex);
  decision = std::move(judged);
  return absl::OkStatus();
}

absl::Status RocksLogStore::Impl::OpenMark(const RecoveryEvidence& evidence) {
  const std::string path = dir->File("MARK");
  if (dir->is_new() || !evidence.mark) {
    RETURN_IF_ERROR(SideMark::Create(*base_fs, path, boot_id));
  }
  ASSIGN_OR_RETURN(mark, SideMark::Open(*base_fs, path, boot_id));
  return mark->WriteManifest(manifest_fs->synced());
}

absl::Status RocksLogStore::Impl::LoadExtents() {
  absl::StatusOr<GroupTables> loaded = LoadTables(columns);
  if (!loaded.ok()) {
    return Annotate(loaded.status(), fmt::format("data directory {}", dir->path()));
  }
  absl::MutexLock lock(&write_mutex);
  tables = std::move(*loaded);
  for (const auto& [group, table] : tables.live) {
    extents.Set(group, {table.before_index(), table.last_index(), table.bytes()});
  }
  reclaimer = std::make_unique<Reclaimer>(&columns, &extents, options.clock,
                                          OwnTableBytes(options.memtable_bytes));
  return absl::OkStatus();
}

}  // namespace cairn::storage
