// ManifestWatchFs: knows how much of RocksDB's manifest is durable.
//
// RocksDB takes a manifest that ends early for one that was being written when power failed,
// and opens with the tables that the rest of it names, without a word about the others. So the
// length of the synced part goes into the side mark (side_mark.h): a shorter file is damage.
// All other files pass through.
//
// Threads: all of it; one mutex, never held across I/O.
#pragma once

#include <rocksdb/file_system.h>

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "storage/recovery.h"

namespace cairn::storage {

class ManifestWatchFs : public rocksdb::FileSystemWrapper {
 public:
  // `db_dir`: where RocksDB keeps its files.
  ManifestWatchFs(const std::shared_ptr<rocksdb::FileSystem>& target, std::string db_dir);

  // The newest manifest that this process wrote, as far as it is synced.
  [[nodiscard]] ManifestExtent synced() const;
  // The manifest that CURRENT names and its physical size; number 0 when there is none.
  [[nodiscard]] ManifestExtent Find() const;

  // ---- rocksdb::FileSystem ----------------------------------------------------------
  [[nodiscard]] const char* Name() const override { return "CairnManifestWatchFs"; }
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* result,
                                    rocksdb::IODebugContext* debug) override;

 private:
  // Shared with the files that were handed out: one may outlive this.
  struct Shared {
    absl::Mutex mutex;
    ManifestExtent synced ABSL_GUARDED_BY(mutex);
  };
  class File;

  const std::string db_dir_;
  const std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};

}  // namespace cairn::storage
