// PortionFs: a file system whose large reads reach the disk a portion at a time.
//
// A sync waits until the disk has done what it has begun: behind a read or a write of 2 MiB it
// waits for all of it. Those of tables are seldom urgent, and every append waits for a sync. So
// they go down in portions, each once the one before it is done; then a sync waits for one portion
// at most (decision 040). Reads are cut here; writes where they are gathered: rocks_options.h,
// write_behind.h, wal_pool.h.
//
// Threads: those of the file system behind it. Bound: nothing is held.
#pragma once

#include <rocksdb/file_system.h>

#include <cstddef>
#include <memory>
#include <string>

namespace cairn::storage {

// A virtual disk with 0.3 ms a sync reads and writes it in 0.2 to 0.3 ms; with half of it a read
// from the disk takes 1.5 times as long.
inline constexpr size_t kPortionBytes = 128 << 10;

class PortionFs : public rocksdb::FileSystemWrapper {
 public:
  explicit PortionFs(const std::shared_ptr<rocksdb::FileSystem>& target)
      : FileSystemWrapper(target) {}

  [[nodiscard]] const char* Name() const override { return "CairnPortionFs"; }
  rocksdb::IOStatus NewRandomAccessFile(const std::string& path,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                                        rocksdb::IODebugContext* debug) override;
};

}  // namespace cairn::storage
