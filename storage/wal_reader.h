// WalReader: reads a write-ahead log file as RocksDB wrote it, without stamps (wal_frames.h).
//
// RocksDB reads its logs at open, from beginning to end, through this. What is wrong with a file
// was found and cut before (wal_scan.h), so a header that cannot be read is an error here.
//
// Threads: one at a time. Bound: one chunk of the file in memory.
#pragma once

#include <rocksdb/file_system.h>

#include <cstdint>
#include <memory>
#include <string>

#include "storage/wal_frames.h"

namespace cairn::storage {

class WalReader : public rocksdb::FSSequentialFile {
 public:
  // `file` is the whole file; `path` is for error messages.
  static rocksdb::IOStatus Open(const std::string& path,
                                std::unique_ptr<rocksdb::FSSequentialFile> file,
                                std::unique_ptr<rocksdb::FSSequentialFile>* result);

  rocksdb::IOStatus Read(size_t n, const rocksdb::IOOptions& io, rocksdb::Slice* result,
                         char* scratch, rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus Skip(uint64_t n) override;

 private:
  WalReader(std::unique_ptr<rocksdb::FSSequentialFile> file, const WalGeneration& generation);
  // The next chunk's payload; empty at the end.
  rocksdb::IOStatus Fill(const rocksdb::IOOptions& io, rocksdb::IODebugContext* debug);

  const std::unique_ptr<rocksdb::FSSequentialFile> file_;
  const WalGeneration generation_;
  std::string chunk_;
  // What of the chunk's payload was not read yet: [begin_, end_).
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace cairn::storage
