#include "adapter/redis/stored_dump.h"

#include <fmt/format.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <random>
#include <system_error>
#include <utility>

#include "adapter/snapshot_fetch.h"
#include "adapter/snapshot_transfer.h"
#include "base/status_macros.h"

namespace cairn::adapter::redis {
namespace {

class DumpFile {
 public:
  explicit DumpFile(const std::string& path)
      : path_(path), file_(std::fopen(path.c_str(), "rbe")), size_(SizeOf(path)) {}
  ~DumpFile() {
    if (file_ != nullptr) (void)std::fclose(file_);
  }
  DumpFile(const DumpFile&) = delete;
  DumpFile& operator=(const DumpFile&) = delete;

  absl::StatusOr<size_t> Read(char* buffer, size_t capacity) {
    if (file_ == nullptr) return absl::UnavailableError(fmt::format("cannot open {}", path_));
    const size_t bytes = std::fread(buffer, 1, capacity, file_);
    if (bytes == 0 && std::ferror(file_) != 0) {
      return absl::UnavailableError(fmt::format("cannot read {}", path_));
    }
    read_ += bytes;
    return bytes;
  }
  [[nodiscard]] uint64_t read_bytes() const { return read_; }
  [[nodiscard]] uint64_t size_bytes() const { return size_; }

 private:
  static uint64_t SizeOf(const std::string& path) {
    std::error_code error;
    const auto size = std::filesystem::file_size(path, error);
    return error ? 0 : size;
  }

  const std::string path_;
  std::FILE* const file_;
  const uint64_t size_;
  uint64_t read_ = 0;
};

}  // namespace

absl::StatusOr<SnapshotName> StoreDump(objects::ObjectStore& store, ProgressReport* report,
                                       const std::string& path, SnapshotManifest* manifest) {
  std::random_device draw;
  const uint64_t random = uint64_t{draw()} << 32 | draw();
  SnapshotName name = NewSnapshotName(manifest->log_name, manifest->log_id, manifest->seq, random);
  DumpFile file(path);
  const auto source = [&](char* buffer, size_t capacity) {
    report->Update(Phase::kUpload, file.read_bytes(), file.size_bytes());
    return file.Read(buffer, capacity);
  };
  ASSIGN_OR_RETURN(SnapshotObject object,
                   UploadObject(store, name, kDumpObject, Compression::kZstd, source));
  manifest->objects.push_back(std::move(object));
  RETURN_IF_ERROR(PublishSnapshot(store, name, *manifest));
  return name;
}

}  // namespace cairn::adapter::redis
