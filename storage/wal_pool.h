// WalPoolFs: gives RocksDB write-ahead log files that are already written, and used.
//
// A sync of a growing file also commits the file's new length and blocks to the file
// system's journal, which costs as much as the data. A file that was filled with zeros, and
// synced, before it is used only has its bytes overwritten: one flush of the device. Both go
// past the page cache (direct_wal_file.h).
//
// A new WAL is a file of the pool, renamed to the WAL's name; a WAL that RocksDB deletes goes
// back to the pool, as it is. There it only gets a new header: what it holds belongs to an
// earlier generation from then on, and reads as zeros (wal_frames.h). Files that this process did
// not hand out are filled with zeros like new ones: nobody here knows that they bear their own
// stamps throughout, and one that does not would be found behind the end of each later log.
// When the pool is empty (a burst), a WAL is a growing file with a header: slower, never wrong.
// All other files pass through.
//
// RocksDB retires WALs a few at a time, and long after it asked for new ones. So files in use are
// counted, too: once there are as many as are ever needed, none is made anew, and none deleted.
//
// RocksDB deletes obsolete WALs from the newest to the oldest, so a crash in between would
// leave a log with a gap, which recovery (wal_scan.h) must take for a loss. All WALs below an
// obsolete one are obsolete, too, so they go first here, oldest first; that they are gone when
// RocksDB gets to them is no error. Each is gone for good, its directory synced, before the
// next goes: not every file system makes a renaming and a later deletion durable in order.
//
// What a reader sees, through NewSequentialFile: what was written to the log, and zeros behind
// it. RocksDB reads zeros as the end of the log. Sizes by name are those of the files, which are
// longer: the manifest's check of WAL sizes asks for "at least", and what RocksDB cuts off at
// open is what is behind that size, nothing. A file is called ready only once its header is
// synced, so it is empty also after a power cut; what is not ready is thrown away at the next
// start. That it left the pool is synced before a byte is written to it.
//
// Pool directory: "ready-N" to become the next log; "dirty-N" to be made so.
// Threads: all of it. mutex_ guards the lists and is never held across I/O; retire_mutex_ is,
//   between the background threads that delete WALs.
// Bound: `pool_files` + `live_files` files, those in use included, unless more are in use.
#pragma once

#include <rocksdb/file_system.h>
#include <rocksdb/rate_limiter.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "storage/wal_frames.h"

namespace cairn::storage {

class WalPoolFs : public rocksdb::FileSystemWrapper {
 public:
  struct Options {
    std::string db_dir;    // Where RocksDB keeps its WAL files.
    std::string pool_dir;  // On the same file system.
    uint64_t file_bytes = 80ull << 20;
    // Made in advance. 0: WAL files grow.
    uint32_t pool_files = 2;
    // So many may be in use besides before what is retired is deleted, and nothing is made.
    uint32_t live_files = 6;
    // Where zeros wait for their turn, beside flushes. Null: they are written at once.
    std::shared_ptr<rocksdb::RateLimiter> limiter;
  };
  WalPoolFs(const std::shared_ptr<rocksdb::FileSystem>& target, Options options);
  ~WalPoolFs() override;

  // Tidies the pool directory (making it), prepares one file and starts the thread.
  absl::Status Start();
  // Stops the thread. WAL files can still be made, deleted and written.
  void Stop();

  // Bytes appended to WAL files so far.
  [[nodiscard]] uint64_t appended_bytes() const { return appended_bytes_->load(); }
  [[nodiscard]] size_t ready_files() const;
  // Blocks until the pool has nothing to do, or cannot do it.
  void WaitUntilFull() const;

  // ---- rocksdb::FileSystem ----------------------------------------------------------
  [[nodiscard]] const char* Name() const override { return "CairnWalPoolFs"; }
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* result,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewSequentialFile(const std::string& path, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSSequentialFile>* result,
                                      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::FileOptions OptimizeForLogWrite(const rocksdb::FileOptions& options,
                                           const rocksdb::DBOptions& db) const override;

 private:
  // nullopt: not a WAL of the database.
  [[nodiscard]] std::optional<uint64_t> WalNumber(const std::string& path) const;
  [[nodiscard]] std::string PoolPath(const char* kind, uint64_t number) const;

  // A file that becomes a log, and the generation of its header.
  struct ReadyFile {
    std::string path;  // Empty: there is none yet.
    WalGeneration generation;
  };
  ReadyFile TakeReady(uint64_t wal);
  // nullopt: not a file that can be used.
  std::optional<ReadyFile> FindReady(const std::string& path);
  // To the pool if it has room, else deleted. Durable before it returns.
  rocksdb::IOStatus Retire(uint64_t wal, const std::string& path, const rocksdb::IOOptions& io,
                           rocksdb::IODebugContext* debug)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(retire_mutex_);
  rocksdb::IOStatus SyncDirectory(const std::string& path, const rocksdb::IOOptions& io,
                                  rocksdb::IODebugContext* debug);

  // What the pool's thread does next: make a file ready.
  enum class Found : uint8_t {
    kNothing,   // There is no file yet.
    kUnknown,   // One of which nobody knows what it holds.
    kRecycled,  // One that this process used: all of it is of generations before `next`.
  };
  struct Job {
    std::string path;
    uint64_t number = 0;
    Found found = Found::kNothing;
    WalGeneration next;  // Set if kRecycled.
  };
  void Run();
  [[nodiscard]] uint64_t MaxFiles() const;
  [[nodiscard]] uint64_t InPool() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether there are as many as are ever needed.
  [[nodiscard]] bool Enough() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  [[nodiscard]] bool WantsNew() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  [[nodiscard]] bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  [[nodiscard]] bool Settled() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Job NextJob() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Do(Job job);
  // Chooses job.next unless the file is recycled. Durable before it returns.
  rocksdb::IOStatus Prepare(Job& job);
  // An empty file.
  rocksdb::IOStatus Create(const std::string& path);
  void WaitForTurn(uint64_t bytes);
  // Zeros from `begin` to the end, which is moved to `file_bytes` if it was before that.
  rocksdb::IOStatus Zero(rocksdb::FSWritableFile& file, uint64_t begin, uint64_t bytes);
  void Finish(const Job& job, const rocksdb::IOStatus& status);

  const Options options_;
  // Shared with the files that were handed out: one may outlive this.
  const std::shared_ptr<std::atomic<uint64_t>> appended_bytes_;
  absl::Mutex retire_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  mutable absl::Mutex mutex_;
  std::deque<ReadyFile> ready_ ABSL_GUARDED_BY(mutex_);
  std::deque<Job> dirty_ ABSL_GUARDED_BY(mutex_);
  // What became a WAL and was not deleted yet, by its number.
  std::map<uint64_t, WalGeneration> in_use_ ABSL_GUARDED_BY(mutex_);
  uint32_t in_work_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t next_number_ ABSL_GUARDED_BY(mutex_) = 1;
  // Preparing failed (a full disk, say). Tried again when the next WAL is made.
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace cairn::storage
