// Files that are written by a thread of their own, so that whoever makes their bytes goes on
// meanwhile: the tables of runs, which come in over a network while the disk writes (rocks_run.h).
//
//   Append ─► a block of 1 MiB ─► queue of six ─► thread: written past the page cache ─► spare
//   Sync   ─► the rest, what is queued, the file's length, then the file
//
// Past the page cache if the file system takes that: one copy less, and no pages to be found for a
// file that is not read soon. A block is written in portions (portion_fs.h), but whole while two
// more wait behind it: then the disk is what its user waits for. Otherwise the kernel is told to
// write each block at once, so that Sync does not wait for all of them.
//
// Threads: one user at a time, beside the file's own. Bound: eight blocks; a file of less than one
// takes one. Errors: of a write are told by the next call; then the file is of no use.
#pragma once

#include <rocksdb/file_system.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "storage/direct_wal_file.h"

namespace cairn::storage {

class WriteBehindFile : public rocksdb::FSWritableFile {
 public:
  // `direct`: `file`, which is new, takes whole blocks only.
  WriteBehindFile(std::unique_ptr<rocksdb::FSWritableFile> file, bool direct);
  ~WriteBehindFile() override;

  // Requires: no Sync before it.
  using FSWritableFile::Append;
  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& io,
                           rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus Flush(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
    return rocksdb::IOStatus::OK();
  }
  rocksdb::IOStatus Sync(const rocksdb::IOOptions& io, rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus Close(const rocksdb::IOOptions& io, rocksdb::IODebugContext* debug) override;
  uint64_t GetFileSize(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
    return size_;
  }

 private:
  struct Block {
    AlignedBytes bytes;
    size_t used = 0;
  };

  // Queues what is being filled, once there is room.
  rocksdb::IOStatus HandOver();
  // All that was appended is in the file.
  rocksdb::IOStatus Drain();
  void Stop();
  void Run();
  // At the file's end, `at`.
  rocksdb::IOStatus Write(Block& block, uint64_t at, bool haste);
  [[nodiscard]] bool HasRoom() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  [[nodiscard]] bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  [[nodiscard]] bool IsDrained() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::unique_ptr<rocksdb::FSWritableFile> file_;
  const bool direct_;
  Block filling_;      // The user's.
  uint64_t size_ = 0;  // Of all that was appended.
  bool synced_ = false;

  absl::Mutex mutex_;
  std::deque<Block> queue_ ABSL_GUARDED_BY(mutex_);
  std::vector<Block> spare_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  rocksdb::IOStatus status_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;  // Last: it uses all of the above.
};

// A file system in which new files are such ones; all else is `target`'s.
class WriteBehindFs : public rocksdb::FileSystemWrapper {
 public:
  WriteBehindFs(const std::shared_ptr<rocksdb::FileSystem>& target, bool direct)
      : FileSystemWrapper(target), direct_(direct) {}

  [[nodiscard]] const char* Name() const override { return "CairnWriteBehindFs"; }
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* result,
                                    rocksdb::IODebugContext* debug) override;

 private:
  const bool direct_;
};

}  // namespace cairn::storage
