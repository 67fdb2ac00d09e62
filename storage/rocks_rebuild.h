// RebuiltDatabase: the database that a damaged one is copied into (rocks_rebuild.cc).
//
// Rows come in any order and are on the disk after Finish, all at once: no log is written, since
// a copy that was cut short is begun anew.
//
// Threads: one. Lifetime: Finish closes it; destroying it before that leaves files that nobody
// uses.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/env.h>

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "storage/rocks_tables.h"

namespace cairn::storage {

class RebuiltDatabase {
 public:
  RebuiltDatabase(std::shared_ptr<rocksdb::FileSystem> fs, std::string dir,
                  uint64_t memtable_bytes);
  ~RebuiltDatabase();
  RebuiltDatabase(const RebuiltDatabase&) = delete;
  RebuiltDatabase& operator=(const RebuiltDatabase&) = delete;

  // Makes the directory and an empty database in it. Again: begins anew, without what was put.
  absl::Status Create();
  absl::Status Put(Family family, std::string_view key, std::string_view value);
  absl::Status Finish();

 private:
  absl::Status WriteBatch();
  absl::Status Close();

  const std::string dir_;
  const uint64_t memtable_bytes_;
  const std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<rocksdb::DB> db_;
  Columns columns_;
  rocksdb::WriteBatch batch_;
};

}  // namespace cairn::storage
