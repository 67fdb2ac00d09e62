// LossyFs: a file system that forgets what was not synced, for crash tests of the store.
//
//   fs->CutAfter(n)           n more changes succeed, all behind them fail: power is cut
//   (destroy the store)
//   fs->Lose(loss, random)    the real files now hold what a disk would hold after that
//   (open it again)
//
//   fs->FailOnce(…)           one failing write or sync, after which the disk seems healthy
//
// Every unsynced write is remembered with the bytes it replaced. Losing mixes old and new
// sector by sector, so overwrites are torn, dropped and reordered at will, and a file that only
// grew ends somewhere in what was added; a sync of a file makes all before it durable. A file
// created, renamed or deleted in a directory comes undone unless the directory was synced after
// it: from the newest change on, as in a journal, but for deletions, some of which reach the disk
// before what was done before them. What a dead process left unsynced may be lost later.
//
// Threads: all of it; one mutex.
#pragma once

#include <rocksdb/file_system.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/random.h"

namespace cairn::testing {

enum class Loss : uint8_t {
  kNothing,  // The process died, the kernel did not.
  kAll,      // Nothing unsynced reached the disk.
  kSectors,  // Some sectors of it did.
  kFlipped,  // All of it did, but one bit of it is wrong.
};

class LossyFs : public rocksdb::FileSystemWrapper {
 public:
  explicit LossyFs(const std::shared_ptr<rocksdb::FileSystem>& target)
      : rocksdb::FileSystemWrapper(target) {}

  // What a change is: of a file's bytes, of a directory's names, or that it is made durable.
  enum class Op : uint8_t { kWrite, kName, kSync };

  // The next `changes` changes to paths that contain `part` succeed, then power is gone.
  void CutAfter(uint64_t changes, std::string part = "");
  // The path of the first change that failed because power was cut; empty before.
  [[nodiscard]] std::string cut_at() const;
  // The next change of this kind to a path that contains `part` fails once with `status`.
  void FailOnce(Op op, std::string part, rocksdb::IOStatus status);
  // How many changes were tried while there was power.
  [[nodiscard]] uint64_t changes() const;
  // Requires: no file is open. Power is back.
  void Lose(Loss loss, Random& random);

  // ---- For the files it hands out ---------------------------------------------------
  // Held from before Change until what came of it is noted.
  class UnderWay {
   public:
    explicit UnderWay(LossyFs* fs);
    ~UnderWay();
    UnderWay(const UnderWay&) = delete;
    UnderWay& operator=(const UnderWay&) = delete;

   private:
    LossyFs* const fs_;
  };
  // Whether a change may happen; it counts.
  rocksdb::IOStatus Change(Op op, const std::string& path);
  void NoteWrite(const std::string& path, uint64_t offset, std::string old_bytes,
                 uint64_t new_bytes);
  void NoteSync(const std::string& path);
  void NoteDirectorySync(const std::string& path);

  // ---- rocksdb::FileSystem ----------------------------------------------------------
  [[nodiscard]] const char* Name() const override { return "LossyFs"; }
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* result,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus ReopenWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                       std::unique_ptr<rocksdb::FSWritableFile>* result,
                                       rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus ReuseWritableFile(const std::string& path, const std::string& old_path,
                                      const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSWritableFile>* result,
                                      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewRandomRWFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSRandomRWFile>* result,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewDirectory(const std::string& path, const rocksdb::IOOptions& io,
                                 std::unique_ptr<rocksdb::FSDirectory>* result,
                                 rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& io,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus LinkFile(const std::string& from, const std::string& to,
                             const rocksdb::IOOptions& io, rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& io,
                               rocksdb::IODebugContext* debug) override;

 private:
  struct Write {
    uint64_t offset;
    std::string old_bytes;  // Shorter than the write where the file grew.
    uint64_t bytes;
  };
  // A change of a directory's names: a new file (`from` is empty), a renaming, or a deletion
  // (`to` is empty).
  struct NameChange {
    std::string from;
    std::string to;
    std::optional<std::string> replaced;  // What stood at `to` before, or what was deleted.
  };
  // Opens a file that is there for writes that say where.
  rocksdb::IOStatus Place(const std::string& path, const rocksdb::FileOptions& options,
                          std::unique_ptr<rocksdb::FSWritableFile>* result,
                          rocksdb::IODebugContext* debug);
  void LoseNames(Random& random) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static void Undo(const NameChange& name);
  void LoseWrites(const std::string& path, const std::vector<Write>& writes, Loss loss,
                  Random& random);

  struct Fault {
    Op op;
    std::string part;
    rocksdb::IOStatus status;
  };
  static constexpr uint64_t kNever = ~uint64_t{0};

  mutable absl::Mutex mutex_;
  uint64_t changes_left_ ABSL_GUARDED_BY(mutex_) = kNever;
  std::string counted_part_ ABSL_GUARDED_BY(mutex_);
  bool power_ ABSL_GUARDED_BY(mutex_) = true;
  uint64_t changes_ ABSL_GUARDED_BY(mutex_) = 0;
  int under_way_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string cut_at_ ABSL_GUARDED_BY(mutex_);
  std::optional<Fault> fault_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::vector<Write>> unsynced_ ABSL_GUARDED_BY(mutex_);
  std::vector<NameChange> names_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace cairn::testing
