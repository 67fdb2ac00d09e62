#include "storage/rocks_run.h"

#include <fmt/format.h>

#include <cstdio>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "storage/key_codec.h"
#include "storage/rocks_batch.h"
#include "storage/rocks_impl.h"
#include "storage/rocks_rows.h"
#include "storage/rocks_status.h"
#include "storage/wal_scan.h"
#include "storage/write_behind.h"

namespace cairn::storage {

RocksRun::~RocksRun() {
  for (const std::string& file : entry_files_) std::remove(file.c_str());
  for (const std::string& file : seq_files_) std::remove(file.c_str());
}

RocksRunBuilder::RocksRunBuilder(const Columns* columns, const SpaceGuard* space, GroupId group,
                                 Index after, uint64_t bytes, std::string path)
    : columns_(*columns),
      space_(*space),
      group_(group),
      after_(after),
      path_(std::move(path)),
      env_(rocksdb::NewCompositeEnv(std::make_shared<WriteBehindFs>(
          columns->db->GetEnv()->GetFileSystem(),
          columns->db->GetDBOptions().use_direct_io_for_flush_and_compaction))),
      bytes_(bytes) {}

absl::Status RocksRunBuilder::Open(Family family, std::vector<std::string>& files, Writer& writer) {
  rocksdb::Options options = columns_.db->GetOptions(columns_[family]);
  options.env = env_.get();
  rocksdb::EnvOptions env_options(options);
  env_options.bytes_per_sync = 0;  // The files see to it.
  // They gather what is appended: no need to do that twice.
  env_options.writable_file_max_buffer_size = 4096;
  writer = std::make_unique<rocksdb::SstFileWriter>(env_options, options, columns_[family],
                                                    /*invalidate_page_cache=*/false);
  files.push_back(fmt::format("{}-{}.sst", path_, FamilyName(family)));
  return FromRocks(writer->Open(files.back()));
}

absl::Status RocksRunBuilder::Add(const EntryRef& entry) {
  if (space_.FreeRoom() != Room::kEnough) {
    return absl::ResourceExhaustedError("the disk is nearly full: no run is taken");
  }
  if (run_ == nullptr) {
    run_ = std::make_shared<RocksRun>(group_, after_);
    run_->bytes_before_ = bytes_;
    RETURN_IF_ERROR(Open(Family::kEntries, run_->entry_files_, entries_));
  }
  CHECK_EQ(entry.index, run_->last_ + 1);
  if (run_->terms_.empty() || run_->terms_.back().term != entry.term) {
    run_->terms_.push_back({entry.index, entry.term});
  }
  run_->last_ = entry.index;
  bytes_ += entry.payload.size();
  row_ = EncodeEntryRowHeader(group_, entry, bytes_);
  row_.append(entry.payload);
  RETURN_IF_ERROR(FromRocks(entries_->Put(EntryKey(group_, entry.index), row_)));
  if (entry.record_count == 0) return absl::OkStatus();
  if (seqs_ == nullptr) RETURN_IF_ERROR(Open(Family::kSeqs, run_->seq_files_, seqs_));
  return FromRocks(seqs_->Put(SeqKey(group_, entry.first_seq),
                              EncodeSeqRow({entry.index, entry.timestamp_us, entry.record_count})));
}

absl::StatusOr<std::shared_ptr<EntryRun>> RocksRunBuilder::Finish() {
  CHECK(run_ != nullptr);  // A run has an entry at least.
  // Each syncs its file.
  RETURN_IF_ERROR(FromRocks(entries_->Finish()));
  if (seqs_ != nullptr) RETURN_IF_ERROR(FromRocks(seqs_->Finish()));
  run_->bytes_through_ = bytes_;
  return std::shared_ptr<EntryRun>(std::move(run_));
}

absl::Status IngestRuns(const Columns& columns,
                        const std::vector<std::shared_ptr<RocksRun>>& runs) {
  rocksdb::IngestExternalFileOptions options;
  options.move_files = true;
  options.write_global_seqno = false;  // It stands in the manifest; the file stays as it is.
  std::vector<rocksdb::IngestExternalFileArg> args(2);
  args[0].column_family = columns[Family::kEntries];
  args[1].column_family = columns[Family::kSeqs];
  for (rocksdb::IngestExternalFileArg& arg : args) arg.options = options;
  for (const std::shared_ptr<RocksRun>& run : runs) {
    args[0].external_files.insert(args[0].external_files.end(), run->entry_files_.begin(),
                                  run->entry_files_.end());
    args[1].external_files.insert(args[1].external_files.end(), run->seq_files_.begin(),
                                  run->seq_files_.end());
  }
  if (args[1].external_files.empty()) args.pop_back();
  return FromRocks(columns.db->IngestExternalFiles(args));
}

// ---- The store's part -------------------------------------------------------------------------

absl::StatusOr<std::unique_ptr<RunBuilder>> RocksLogStore::Impl::BeginRun(GroupId group,
                                                                          Index after) {
  ASSIGN_OR_RETURN(const Extent extent, FindExtent(group));
  if (extent.last != after) {
    return absl::OutOfRangeError(
        ToAbsl(fmt::format("group {}: a run behind entry {} is asked for, the last one is {}",
                           group, after, extent.last)));
  }
  RETURN_IF_ERROR(FlushTombstones(group, after));
  return NewRun(group, after, extent.bytes);
}

std::unique_ptr<RunBuilder> RocksLogStore::Impl::NewRun(GroupId group, Index after,
                                                        uint64_t bytes) {
  const std::string path = fmt::format("{}/{}", dir->File(DataDir::kRuns), ++runs_begun);
  return std::make_unique<RocksRunBuilder>(&columns, space.get(), group, after, bytes, path);
}

bool RocksLogStore::Impl::Continues(const RocksRun& run) const {
  const absl::StatusOr<Extent> extent = FindExtent(run.group());
  return extent.ok() && extent->last == run.after() && extent->bytes == run.bytes_before();
}

absl::StatusOr<bool> RocksLogStore::Impl::TakeBuried(GroupId group, Index after) {
  absl::MutexLock lock(&write_mutex);
  RETURN_IF_ERROR(failure);
  const auto found = buried.extract(group);
  return !found.empty() && found.mapped() > after;
}

absl::Status RocksLogStore::Impl::FlushTombstones(GroupId group, Index after) {
  ASSIGN_OR_RETURN(const bool are_there, TakeBuried(group, after));
  if (!are_there) return absl::OkStatus();
  RETURN_IF_ERROR(FromRocks(
      db->Flush(rocksdb::FlushOptions(), {columns[Family::kEntries], columns[Family::kSeqs]})));
  // A tombstone in level 0 would keep all that is ingested over it there, to be rewritten by
  // compactions; below it, tables are put where they stay.
  rocksdb::CompactRangeOptions range;
  range.exclusive_manual_compaction = false;
  // Else a table that meets no other is only moved, tombstone and all.
  range.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
  const std::string begin = GroupBegin(group);
  const std::string end = GroupEnd(group);
  const rocksdb::Slice first(begin);
  const rocksdb::Slice last(end);
  for (const Family family : {Family::kEntries, Family::kSeqs}) {
    RETURN_IF_ERROR(FromRocks(db->CompactRange(range, columns[family], &first, &last)));
  }
  return absl::OkStatus();
}

absl::Status RocksLogStore::Impl::PrepareRuns(const StoreBatch& writes) {
  std::vector<std::shared_ptr<RocksRun>> runs;
  for (const GroupWrite& write : writes.groups) {
    if (write.run != nullptr) runs.push_back(std::static_pointer_cast<RocksRun>(write.run));
  }
  if (runs.empty()) return absl::OkStatus();
  BeginTurn();
  RETURN_IF_ERROR(FromRocks(batch.PutLogData(kBeforeIngestion)));
  for (const std::shared_ptr<RocksRun>& run : runs) {
    RETURN_IF_ERROR(FromRocks(batch.Put(columns[Family::kState], RunKey(run->group()),
                                        EncodeNumber(run->after().value()))));
  }
  RETURN_IF_ERROR(Commit());
  failure = Noted(IngestRuns(columns, runs));
  return failure;
}

absl::Status RocksLogStore::Impl::DropUnfinishedRuns() {
  absl::MutexLock lock(&write_mutex);
  if (tables.unfinished.empty()) return absl::OkStatus();
  BeginTurn();
  BatchBuilder builder(columns, &tables, &batch, options.clock->Wall());
  for (const auto& [group, last] : tables.unfinished) {
    RETURN_IF_ERROR(builder.DropRun(group, last));
  }
  tables.unfinished.clear();
  buried = builder.buried();
  RETURN_IF_ERROR(Commit());
  reclaimer->Note(builder.shrunk());
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<RunBuilder>> RocksLogStore::BeginRun(GroupId group, Index after) {
  return impl_->BeginRun(group, after);
}

absl::StatusOr<std::unique_ptr<RunBuilder>> RocksLogStore::BeginRunBehind(const EntryRun& run) {
  const auto& before = static_cast<const RocksRun&>(run);
  return impl_->NewRun(before.group(), before.last(), before.bytes_through());
}

bool RocksLogStore::Continues(const EntryRun& run) const {
  return impl_->Continues(static_cast<const RocksRun&>(run));
}

}  // namespace cairn::storage
