// Runs in RocksDB: tables of entries and seq rows that are written beside the database, by whoever
// receives them, and become part of it by being moved there (decision 028).
//
//   BeginRun ─► RocksRunBuilder ─Add…─► runs/N.sst ─Finish─► RocksRun ─GroupWrite::run─► Write:
//     1. a turn that notes "what stands behind entry A does not count" (the group's run row);
//     2. the tables are ingested: moved, not rewritten;
//     3. the turn itself: term and segment rows, and the run row goes.
// A crash before 3 leaves the log as it was: the next start deletes what the run row speaks of, and
// every file in runs/. A crash behind it finds the run in the log.
//
// Ingesting takes a sequence number past the write-ahead log if the tables overlap with anything in
// the database, deleted or not. The turn of step 1 is marked, so that the scan of the log expects
// that gap behind it and nowhere else (wal_scan.h).
//
// Bound: a run is as large as its caller makes it; memory is a block of each table, and what waits
// to be written (write_behind.h).
// Threads: a builder belongs to one thread; any number of builders. Lifetime: the store outlives
// builders and runs.
#pragma once

#include <rocksdb/env.h>
#include <rocksdb/sst_file_writer.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/log_store.h"
#include "storage/rocks_tables.h"
#include "storage/space_guard.h"

namespace cairn::storage {

class RocksRun : public EntryRun {
 public:
  RocksRun(GroupId group, Index after) : group_(group), after_(after), last_(after) {}
  ~RocksRun() override;
  RocksRun(const RocksRun&) = delete;
  RocksRun& operator=(const RocksRun&) = delete;

  [[nodiscard]] GroupId group() const { return group_; }
  [[nodiscard]] Index after() const { return after_; }
  [[nodiscard]] Index last() const { return last_; }
  // Running sums of payload bytes, before and with the run (segment_table.h).
  [[nodiscard]] uint64_t bytes_before() const { return bytes_before_; }
  [[nodiscard]] uint64_t bytes_through() const { return bytes_through_; }
  // First index of each term in the run.
  [[nodiscard]] const std::vector<StoredGroup::TermRow>& terms() const { return terms_; }

 private:
  friend class RocksRunBuilder;
  friend absl::Status IngestRuns(const Columns& columns,
                                 const std::vector<std::shared_ptr<RocksRun>>& runs);

  const GroupId group_;
  const Index after_;
  Index last_;
  uint64_t bytes_before_ = 0;
  uint64_t bytes_through_ = 0;
  std::vector<StoredGroup::TermRow> terms_;
  std::vector<std::string> entry_files_;  // Deleted with the run, unless they were moved.
  std::vector<std::string> seq_files_;
};

class RocksRunBuilder : public RunBuilder {
 public:
  // Continues `group` behind entry `after`, at which `bytes` is the running sum. `path`: of its
  // files, without an ending. `columns` and `space` outlive it.
  RocksRunBuilder(const Columns* columns, const SpaceGuard* space, GroupId group, Index after,
                  uint64_t bytes, std::string path);

  absl::Status Add(const EntryRef& entry) override;
  absl::StatusOr<std::shared_ptr<EntryRun>> Finish() override;

 private:
  using Writer = std::unique_ptr<rocksdb::SstFileWriter>;
  absl::Status Open(Family family, std::vector<std::string>& files, Writer& writer);

  const Columns& columns_;
  const SpaceGuard& space_;
  const GroupId group_;
  const Index after_;
  const std::string path_;
  const std::unique_ptr<rocksdb::Env> env_;  // Whose files are written behind (write_behind.h).
  uint64_t bytes_;
  std::shared_ptr<RocksRun> run_;  // Once the first entry has told its first seq.
  Term last_term_;
  Writer entries_;
  Writer seqs_;  // Null before the first entry with records.
  std::string row_;
};

// Moves the files of all runs into the database, whole or not at all.
absl::Status IngestRuns(const Columns& columns, const std::vector<std::shared_ptr<RocksRun>>& runs);

}  // namespace cairn::storage
