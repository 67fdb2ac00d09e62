// PrezeroedWalFs: gives RocksDB write-ahead log files that are already written.
//
// A sync of a growing file also commits the file's new length and blocks to the file
// system's journal, which costs as much as the data. A file that was filled with zeros, and
// synced, before it is used only has its bytes overwritten: one flush of the device. Both go
// past the page cache (direct_wal_file.h).
//
// A new WAL is a file of the pool, renamed to the WAL's name; a WAL that RocksDB deletes goes
// back to the pool and is zeroed again by a thread of the pool. When the pool is empty (a
// burst), a WAL is an ordinary growing file: slower, never wrong. All other files pass
// through.
//
// RocksDB deletes obsolete WALs from the newest to the oldest, so a crash in between would
// leave a log with a gap, which recovery (wal_scan.h) must take for a loss. All WALs below an
// obsolete one are obsolete, too, so they go first here, oldest first; that they are gone when
// RocksDB gets to them is no error. Each is gone for good, its directory synced, before the
// next goes: not every file system makes a renaming and a later deletion durable in order.
//
// What a reader sees: the file is longer than what was written to it, and zeros follow.
// RocksDB reads zeros as the end of the log; the manifest's check of WAL sizes asks for "at
// least". A file is called ready only once its zeros are synced, so zeros are zeros also
// after a power cut; what is not ready is thrown away at the next start. That it left the pool
// is synced before a byte is written to it.
//
// Pool directory: "ready-N" zeroed and synced; "dirty-N" to be zeroed.
// Threads: all of it. mutex_ guards the lists and is never held across I/O; retire_mutex_ is,
//   between the background threads that delete WALs.
// Bound: `pool_files` files besides those in use.
#pragma once

#include <rocksdb/file_system.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

namespace cairn::storage {

class PrezeroedWalFs : public rocksdb::FileSystemWrapper {
 public:
  struct Options {
    std::string db_dir;    // Where RocksDB keeps its WAL files.
    std::string pool_dir;  // On the same file system.
    uint64_t file_bytes = 80ull << 20;
    uint32_t pool_files = 2;  // 0: WAL files grow.
  };
  PrezeroedWalFs(const std::shared_ptr<rocksdb::FileSystem>& target, Options options);
  ~PrezeroedWalFs() override;

  // Tidies the pool directory (making it), zeroes one file and starts the thread.
  absl::Status Start();
  // Stops the thread. WAL files can still be made, deleted and written.
  void Stop();

  // Bytes appended to WAL files so far.
  [[nodiscard]] uint64_t appended_bytes() const { return appended_bytes_->load(); }
  [[nodiscard]] size_t ready_files() const;
  // Blocks until the pool is full, or cannot be filled.
  void WaitUntilFull() const;

  // ---- rocksdb::FileSystem ----------------------------------------------------------
  [[nodiscard]] const char* Name() const override { return "CairnPrezeroedWalFs"; }
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* result,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::FileOptions OptimizeForLogWrite(const rocksdb::FileOptions& options,
                                           const rocksdb::DBOptions& db) const override;

 private:
  // nullopt: not a WAL of the database.
  [[nodiscard]] std::optional<uint64_t> WalNumber(const std::string& path) const;
  [[nodiscard]] std::string PoolPath(const char* kind, uint64_t number) const;
  std::optional<std::string> TakeReady();
  // To the pool if it has room, else deleted. Durable before it returns.
  rocksdb::IOStatus Retire(const std::string& path, const rocksdb::IOOptions& io,
                           rocksdb::IODebugContext* debug)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(retire_mutex_);
  rocksdb::IOStatus SyncDirectory(const std::string& path, const rocksdb::IOOptions& io,
                                  rocksdb::IODebugContext* debug);

  // What the pool's thread does next: zero a file, which may be there already.
  struct Job {
    std::string path;
    uint64_t number = 0;
    bool exists = false;
  };
  void Run();
  [[nodiscard]] bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  [[nodiscard]] bool Settled() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Job NextJob() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  rocksdb::IOStatus Prepare(const Job& job);
  // An empty file.
  rocksdb::IOStatus Create(const std::string& path);
  rocksdb::IOStatus Zero(const std::string& path);
  void Finish(const Job& job, const rocksdb::IOStatus& status);

  const Options options_;
  // Shared with the files that were handed out: one may outlive this.
  const std::shared_ptr<std::atomic<uint64_t>> appended_bytes_;
  absl::Mutex retire_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  mutable absl::Mutex mutex_;
  std::deque<std::string> ready_ ABSL_GUARDED_BY(mutex_);
  std::deque<Job> dirty_ ABSL_GUARDED_BY(mutex_);
  uint32_t in_work_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t next_number_ ABSL_GUARDED_BY(mutex_) = 1;
  // Zeroing failed (a full disk, say). Tried again when the next WAL is made.
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace cairn::storage
