#include "storage/manifest_watch.h"

#include <charconv>
#include <cstdint>
#include <string_view>
#include <utility>

namespace cairn::storage {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

constexpr std::string_view kPrefix = "MANIFEST-";

// 0: not the name of a manifest.
uint64_t ManifestNumber(std::string_view name) {
  if (!name.starts_with(kPrefix)) return 0;
  uint64_t number = 0;
  const auto [stop, error] =
      std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), number);
  return error == std::errc() && stop == name.data() + name.size() ? number : 0;
}

}  // namespace

class ManifestWatchFs::File : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  File(std::unique_ptr<rocksdb::FSWritableFile> file, uint64_t number,
       std::shared_ptr<Shared> shared)
      : FSWritableFileOwnerWrapper(std::move(file)), number_(number), shared_(std::move(shared)) {}

  using FSWritableFileOwnerWrapper::Append;
  IOStatus Append(const rocksdb::Slice& data, const IOOptions& io, IODebugContext* debug) override {
    IOStatus status = target()->Append(data, io, debug);
    if (status.ok()) bytes_ += data.size();
    return status;
  }
  IOStatus Sync(const IOOptions& io, IODebugContext* debug) override {
    return Note(target()->Sync(io, debug));
  }
  IOStatus Fsync(const IOOptions& io, IODebugContext* debug) override {
    return Note(target()->Fsync(io, debug));
  }

 private:
  // RocksDB appends to and syncs a manifest under its own lock: `bytes_` is what was synced.
  IOStatus Note(IOStatus status) {
    if (!status.ok()) return status;
    absl::MutexLock lock(&shared_->mutex);
    if (number_ >= shared_->synced.number) shared_->synced = {number_, bytes_};
    return status;
  }

  const uint64_t number_;
  const std::shared_ptr<Shared> shared_;
  uint64_t bytes_ = 0;
};

ManifestWatchFs::ManifestWatchFs(const std::shared_ptr<rocksdb::FileSystem>& target,
                                 std::string db_dir)
    : rocksdb::FileSystemWrapper(target), db_dir_(std::move(db_dir)) {}

ManifestExtent ManifestWatchFs::synced() const {
  absl::MutexLock lock(&shared_->mutex);
  return shared_->synced;
}

ManifestExtent ManifestWatchFs::Find() const {
  std::string name;
  const IOStatus read = rocksdb::ReadFileToString(target(), db_dir_ + "/CURRENT", &name);
  if (!read.ok() || name.empty()) return {};
  name.pop_back();  // The newline. What is not in order RocksDB will say.
  ManifestExtent found{ManifestNumber(name), 0};
  const std::string path = db_dir_ + "/" + name;
  if (found.number == 0 || !target()->GetFileSize(path, IOOptions(), &found.bytes, nullptr).ok()) {
    return {};
  }
  return found;
}

IOStatus ManifestWatchFs::NewWritableFile(const std::string& path,
                                          const rocksdb::FileOptions& options,
                                          std::unique_ptr<rocksdb::FSWritableFile>* result,
                                          IODebugContext* debug) {
  IOStatus status = target()->NewWritableFile(path, options, result, debug);
  if (!status.ok() || !path.starts_with(db_dir_ + "/")) return status;
  const uint64_t number = ManifestNumber(std::string_view(path).substr(db_dir_.size() + 1));
  if (number != 0) *result = std::make_unique<File>(std::move(*result), number, shared_);
  return status;
}

}  // namespace cairn::storage
