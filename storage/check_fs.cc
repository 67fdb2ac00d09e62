#include "storage/check_fs.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "storage/wal_reader.h"

namespace cairn::storage {
namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

constexpr uint64_t kWholeLog = std::numeric_limits<uint64_t>::max();

IOStatus Refused(const std::string& path) {
  return IOStatus::NotSupported(path, "this database is only looked at");
}

// The first `bytes` bytes of a file; with none it needs no file.
class CutLog : public rocksdb::FSSequentialFile {
 public:
  CutLog(std::unique_ptr<rocksdb::FSSequentialFile> file, uint64_t bytes)
      : file_(std::move(file)), left_(bytes) {}

  IOStatus Read(size_t n, const IOOptions& io, rocksdb::Slice* result, char* scratch,
                IODebugContext* debug) override {
    n = std::min<uint64_t>(n, left_);
    *result = rocksdb::Slice();
    if (n == 0) return IOStatus::OK();
    IOStatus status = file_->Read(n, io, result, scratch, debug);
    left_ -= result->size();
    return status;
  }
  IOStatus Skip(uint64_t n) override {
    n = std::min(n, left_);
    left_ -= n;
    return n == 0 ? IOStatus::OK() : file_->Skip(n);
  }

 private:
  const std::unique_ptr<rocksdb::FSSequentialFile> file_;
  uint64_t left_;
};

}  // namespace

CheckFs::CheckFs(const std::shared_ptr<rocksdb::FileSystem>& target, const WalScan& scan)
    : rocksdb::FileSystemWrapper(target) {
  for (size_t i = 0; i < scan.files.size(); ++i) {
    const WalFile& file = scan.files[i];
    const bool trouble = scan.end != WalEnd::kClean && i >= scan.bad_file;
    const bool all_lost = trouble && (i > scan.bad_file || !file.generation);
    log_ends_[file.path] = all_lost ? 0 : trouble ? file.scan.valid_end : kWholeLog;
  }
}

IOStatus CheckFs::NewSequentialFile(const std::string& path, const FileOptions& options,
                                    std::unique_ptr<rocksdb::FSSequentialFile>* result,
                                    IODebugContext* debug) {
  const auto log = log_ends_.find(path);
  if (log == log_ends_.end()) return target()->NewSequentialFile(path, options, result, debug);
  std::unique_ptr<rocksdb::FSSequentialFile> file;
  if (log->second > 0) {
    IOStatus status = target()->NewSequentialFile(path, options, &file, debug);
    if (status.ok()) status = WalReader::Open(path, std::move(file), &file);
    if (!status.ok()) return status;
  }
  *result = std::make_unique<CutLog>(std::move(file), log->second);
  return IOStatus::OK();
}

IOStatus CheckFs::NewWritableFile(const std::string& path, const FileOptions&,
                                  std::unique_ptr<rocksdb::FSWritableFile>*, IODebugContext*) {
  return Refused(path);
}

IOStatus CheckFs::ReopenWritableFile(const std::string& path, const FileOptions&,
                                     std::unique_ptr<rocksdb::FSWritableFile>*, IODebugContext*) {
  return Refused(path);
}

IOStatus CheckFs::ReuseWritableFile(const std::string& path, const std::string&, const FileOptions&,
                                    std::unique_ptr<rocksdb::FSWritableFile>*, IODebugContext*) {
  return Refused(path);
}

IOStatus CheckFs::NewRandomRWFile(const std::string& path, const FileOptions&,
                                  std::unique_ptr<rocksdb::FSRandomRWFile>*, IODebugContext*) {
  return Refused(path);
}

IOStatus CheckFs::DeleteFile(const std::string& path, const IOOptions&, IODebugContext*) {
  return Refused(path);
}

IOStatus CheckFs::Truncate(const std::string& path, size_t, const IOOptions&, IODebugContext*) {
  return Refused(path);
}

IOStatus CheckFs::CreateDir(const std::string&, const IOOptions&, IODebugContext*) {
  return IOStatus::OK();
}

IOStatus CheckFs::CreateDirIfMissing(const std::string&, const IOOptions&, IODebugContext*) {
  return IOStatus::OK();
}

IOStatus CheckFs::RenameFile(const std::string& from, const std::string&, const IOOptions&,
                             IODebugContext*) {
  return Refused(from);
}

IOStatus CheckFs::LinkFile(const std::string& from, const std::string&, const IOOptions&,
                           IODebugContext*) {
  return Refused(from);
}

}  // namespace cairn::storage
