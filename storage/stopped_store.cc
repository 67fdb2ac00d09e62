#include "storage/stopped_store.h"

#include <fmt/format.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "storage/check_files.h"
#include "storage/check_fs.h"
#include "storage/check_logs.h"
#include "storage/data_dir.h"
#include "storage/key_codec.h"
#include "storage/recovery.h"
#include "storage/rocks_rows.h"
#include "storage/rocks_status.h"
#include "storage/rocks_tables.h"

namespace cairn::storage {
namespace {

constexpr uint64_t kMemtableBytes = 64 << 20;  // Memtables are not flushed here, whatever it is.
constexpr const char* kRebuild =
    "start the node: it makes a new database of what can be read and is refilled by its peers; "
    "alone, or if no peer is whole, restore a backup";

class NoLog : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

// The database, opened to read only.
class LookedAt {
 public:
  LookedAt() = default;
  ~LookedAt() {
    if (db_ == nullptr) return;
    for (rocksdb::ColumnFamilyHandle* handle : columns_.handles) {
      db_->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
    }
    db_->Close().PermitUncheckedError();
  }
  LookedAt(const LookedAt&) = delete;
  LookedAt& operator=(const LookedAt&) = delete;

  absl::Status Open(const DataDir& dir, const WalScan& wals) {
    env_ =
        rocksdb::NewCompositeEnv(std::make_shared<CheckFs>(rocksdb::FileSystem::Default(), wals));
    rocksdb::DBOptions options = MakeDbOptions(env_.get(), kMemtableBytes, /*create=*/false,
                                               /*direct_io=*/false, nullptr, {});
    options.info_log = std::make_shared<NoLog>();
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* opened = nullptr;
    RETURN_IF_ERROR(FromRocks(rocksdb::DB::OpenForReadOnly(
        options, dir.File("db"), MakeFamilies(kMemtableBytes), &handles, &opened)));
    db_.reset(opened);
    columns_.db = opened;
    std::copy(handles.begin(), handles.end(), columns_.handles.begin());
    return absl::OkStatus();
  }

  [[nodiscard]] const Columns& columns() const { return columns_; }
  [[nodiscard]] absl::StatusOr<std::string> Meta(KeyTag tag) const {
    std::string value;
    RETURN_IF_ERROR(
        FromRocks(db_->Get(rocksdb::ReadOptions(), columns_[Family::kMeta], MetaKey(tag), &value)));
    return value;
  }
  // Payloads and headers of all entries, about.
  [[nodiscard]] uint64_t EntryBytes() const {
    uint64_t tables = 0;
    uint64_t memory = 0;
    rocksdb::ColumnFamilyHandle* entries = columns_[Family::kEntries];
    db_->GetIntProperty(entries, rocksdb::DB::Properties::kTotalSstFilesSize, &tables);
    db_->GetIntProperty(entries, rocksdb::DB::Properties::kSizeAllMemTables, &memory);
    return tables + memory;
  }

 private:
  std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<rocksdb::DB> db_;
  Columns columns_;
};

void AddDamage(CheckReport& report, std::string file, std::string what) {
  report.Add({Finding::Kind::kDamage, std::move(file), std::move(what), kRebuild});
}

// A flush or a compaction that was cut short leaves a table that nothing names.
void DemoteLeftovers(const LookedAt& database, CheckReport& report) {
  std::vector<rocksdb::LiveFileMetaData> live;
  database.columns().db->GetLiveFilesMetaData(&live);
  for (Finding& finding : report.findings) {
    if (!finding.file.ends_with(".sst")) continue;
    const bool is_live = std::any_of(live.begin(), live.end(), [&](const auto& file) {
      return finding.file == "db" + file.name;  // Its names begin with a slash.
    });
    if (is_live) continue;
    finding.kind = Finding::Kind::kRemark;
    finding.what += "; the database does not use this file";
    finding.advice = "none is needed: the next start deletes it";
  }
}

// Who the node is, in the database and beside it.
void CheckIdentity(const DataDir& dir, const LookedAt& database, CheckReport& report) {
  const absl::StatusOr<NodeIdentity> beside = dir.LoadIdentity();
  if (!beside.ok()) return;  // A finding of its own.
  const absl::StatusOr<std::string> incarnation = database.Meta(KeyTag::kIdentity);
  const absl::StatusOr<std::string> formed = database.Meta(KeyTag::kFormed);
  if (incarnation.ok() && *incarnation == EncodeNumber(beside->incarnation) &&
      (formed.ok() ? *formed : "") == beside->formed) {
    return;
  }
  AddDamage(report, "db", "its rows of the node's identity are not what IDENTITY says");
}

// What a start would conclude from the newest turn, the mark and the log's end.
void JudgeEnd(const DataDir& dir, const CheckedFiles& files, const LookedAt& database,
              CheckReport& report) {
  const absl::StatusOr<std::string> row = database.Meta(KeyTag::kTurn);
  const absl::StatusOr<uint64_t> turn = row.ok() ? DecodeNumber(*row) : row.status();
  if (!turn.ok()) {
    return AddDamage(report, "db",
                     fmt::format("the row of its turn: {}", ToStd(turn.status().message())));
  }
  RecoveryEvidence evidence;
  evidence.newest_turn = *turn;
  evidence.mark = files.mark;
  evidence.wal_end = files.wals.end;
  evidence.earlier = dir.StoredVerdict();
  const RecoveryDecision decision = DecideRecovery(evidence);
  report.recovery = fmt::format("{}: {}", ToString(decision.verdict), decision.detail);
  if (decision.verdict == RecoveryVerdict::kSound) return;
  const std::vector<WalFile>& logs = files.wals.files;
  const bool has_place = files.wals.end != WalEnd::kClean;
  const std::string path = has_place ? logs[files.wals.bad_file].path : "";
  report.Add({Finding::Kind::kDamage,
              has_place ? path.substr(dir.path().size() + 1) : std::string("db"), report.recovery,
              "start the node: it asks its peers, and is refilled by them; alone, restore a "
              "backup if acknowledged turns are gone"});
}

absl::Status CheckIsStore(const DataDir& dir) {
  const absl::StatusOr<int> version = dir.FormatVersion();
  if (version.ok()) return dir.CheckVersion(*version);
  // Damaged, or lost beside a database: a finding.
  if (absl::IsDataLoss(version.status()) || dir.LoadIdentity().ok()) return absl::OkStatus();
  return version.status();
}

}  // namespace

struct StoppedStore::Impl {
  std::unique_ptr<DataDir> dir;
  CheckReport report;
  LookedAt database;
  std::vector<LoadedGroup> loaded;
  std::vector<StoredGroup> groups;
  std::map<GroupId, std::string> names;
  bool readable = false;
  uint64_t read_bytes = 0;  // Of logs, by now.
};

StoppedStore::StoppedStore() : impl_(std::make_unique<Impl>()) {}
StoppedStore::~StoppedStore() = default;

absl::StatusOr<std::unique_ptr<StoppedStore>> StoppedStore::Open(const std::string& dir,
                                                                 const CheckProgress& progress) {
  auto store = std::unique_ptr<StoppedStore>(new StoppedStore());
  Impl& impl = *store->impl_;
  ASSIGN_OR_RETURN(impl.dir, DataDir::OpenToRead(dir));
  RETURN_IF_ERROR(CheckIsStore(*impl.dir));
  const std::shared_ptr<rocksdb::FileSystem> fs = rocksdb::FileSystem::Default();
  ASSIGN_OR_RETURN(const CheckedFiles files, CheckFiles(*fs, *impl.dir, progress, impl.report));
  if (const absl::Status opened = impl.database.Open(*impl.dir, files.wals); !opened.ok()) {
    AddDamage(impl.report, "db", fmt::format("it cannot be opened: {}", ToStd(opened.message())));
    return store;
  }
  DemoteLeftovers(impl.database, impl.report);
  CheckIdentity(*impl.dir, impl.database, impl.report);
  JudgeEnd(*impl.dir, files, impl.database, impl.report);
  absl::StatusOr<std::vector<LoadedGroup>> groups = LoadGroupRows(impl.database.columns(), nullptr);
  if (!groups.ok()) {
    AddDamage(impl.report, "db", std::string(ToStd(groups.status().message())));
    return store;
  }
  impl.readable = true;
  impl.loaded = *std::move(groups);
  for (const LoadedGroup& group : impl.loaded) {
    if (!group.removed_at) impl.groups.push_back(group.stored);
  }
  return store;
}

bool StoppedStore::readable() const { return impl_->readable; }
const CheckReport& StoppedStore::report() const { return impl_->report; }
const std::vector<StoredGroup>& StoppedStore::groups() const { return impl_->groups; }
absl::StatusOr<NodeIdentity> StoppedStore::Identity() const {
  absl::StatusOr<NodeIdentity> beside = impl_->dir->LoadIdentity();
  if (beside.ok() || !readable()) return beside;
  ASSIGN_OR_RETURN(const std::string incarnation, impl_->database.Meta(KeyTag::kIdentity));
  NodeIdentity inside;
  ASSIGN_OR_RETURN(inside.incarnation, DecodeNumber(incarnation));
  ASSIGN_OR_RETURN(inside.formed, impl_->database.Meta(KeyTag::kFormed));
  return inside;
}

absl::StatusOr<CheckedLog> StoppedStore::Read(GroupId id, const CheckProgress& progress,
                                              LogVisitor* visitor) {
  const auto group =
      std::find_if(impl_->loaded.begin(), impl_->loaded.end(),
                   [&](const LoadedGroup& loaded) { return loaded.stored.group == id; });
  CHECK(group != impl_->loaded.end());
  const uint64_t total = impl_->database.EntryBytes();
  const auto on_bytes = [&](uint64_t bytes) {
    impl_->read_bytes += bytes;
    progress("logs", impl_->read_bytes, std::max(impl_->read_bytes, total));
  };
  ASSIGN_OR_RETURN(CheckedLog log,
                   CheckLog(impl_->database.columns(), *group, on_bytes, &impl_->names, visitor));
  if (const auto name = impl_->names.find(id); name != impl_->names.end()) log.name = name->second;
  if (!log.damage.empty()) {
    AddDamage(impl_->report, "db", fmt::format("log {}: {}", id, log.damage));
  }
  return log;
}

absl::StatusOr<CheckReport> StoppedStore::ReadAll(const CheckProgress& progress) {
  for (const LoadedGroup& group : impl_->loaded) {
    ASSIGN_OR_RETURN(CheckedLog log, Read(group.stored.group, progress, nullptr));
    impl_->report.logs.push_back(std::move(log));
  }
  return std::move(impl_->report);
}

}  // namespace cairn::storage
