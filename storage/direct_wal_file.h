// DirectWalFile: a write-ahead log that is written past the page cache.
//
// A sync of a file in the page cache copies each byte once more and then has the kernel look up,
// lock and send page by page, which costs more than the disk's own time when turns are large.
// Here the bytes of a turn gather in one aligned buffer and go out in one write of whole blocks
// (O_DIRECT) when RocksDB syncs. The last block of a turn is written again, longer, by the next
// one: each of its sectors then holds what it held, or that and more, so tearing it harms
// nothing that was synced.
//
// The buffer holds sectors as the file does, stamped with its generation (wal_frames.h): what the
// file holds of earlier logs need not be erased. Sectors of the last block that hold nothing are
// zeros. A file system without O_DIRECT gets ordinary writes of the same blocks.
//
// Threads: one at a time; RocksDB does not sync a log while it appends to it.
// Bound: a buffer of a little more than 1 MiB, the largest record, once a turn was that large.
#pragma once

#include <rocksdb/file_system.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "storage/wal_frames.h"

namespace cairn::storage {

// What O_DIRECT asks of offsets, lengths and memory, on any disk of today.
inline constexpr uint64_t kDirectBlockBytes = 4096;

constexpr uint64_t WholeBlocks(uint64_t bytes) {
  return (bytes + kDirectBlockBytes - 1) / kDirectBlockBytes * kDirectBlockBytes;
}

// Whether the file system of this file, which is there, takes O_DIRECT.
bool TakesDirectIo(const std::string& path);

struct FreeDeleter {
  void operator()(char* bytes) const { std::free(bytes); }
};
using AlignedBytes = std::unique_ptr<char, FreeDeleter>;
// `bytes` bytes of zeros that O_DIRECT takes.
AlignedBytes AllocateAligned(size_t bytes);

// Opens the file `from`, which is there, under the name `to` (they may be the same): for
// PositionedAppend of whole blocks over what it holds.
rocksdb::IOStatus OpenToOverwrite(rocksdb::FileSystem& fs, const std::string& from,
                                  const std::string& to, const rocksdb::FileOptions& options,
                                  std::unique_ptr<rocksdb::FSWritableFile>* result);

class DirectWalFile : public rocksdb::FSWritableFile {
 public:
  // `file` is from OpenToOverwrite, and has its header; `appended_bytes` counts, over all files.
  DirectWalFile(std::unique_ptr<rocksdb::FSWritableFile> file, const WalGeneration& generation,
                std::shared_ptr<std::atomic<uint64_t>> appended_bytes);

  using FSWritableFile::Append;
  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& io,
                           rocksdb::IODebugContext* debug) override;
  // What is not synced may wait: every turn is.
  rocksdb::IOStatus Flush(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
    return rocksdb::IOStatus::OK();
  }
  rocksdb::IOStatus Sync(const rocksdb::IOOptions& io, rocksdb::IODebugContext* debug) override;
  // What is behind the end stays: cutting it would be a change of length, and the file goes back
  // to the pool anyway.
  rocksdb::IOStatus Close(const rocksdb::IOOptions& io, rocksdb::IODebugContext* debug) override;
  // Of the log, not of the file.
  uint64_t GetFileSize(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
    return LogicalWalOffset(buffer_at_ + used_);
  }

 private:
  void Reserve(size_t bytes);
  rocksdb::IOStatus WriteOut(const rocksdb::IOOptions& io, rocksdb::IODebugContext* debug);

  const std::unique_ptr<rocksdb::FSWritableFile> file_;
  const uint64_t stamp_;
  const std::shared_ptr<std::atomic<uint64_t>> appended_bytes_;
  // Bytes [buffer_at_, buffer_at_ + used_) of the file; the last sector has room for payload.
  AlignedBytes buffer_;
  size_t capacity_ = 0;
  size_t used_ = 0;
  size_t written_ = 0;  // Of used_: what the file holds already.
  uint64_t buffer_at_ = kWalHeaderBytes;
};

}  // namespace cairn::storage
