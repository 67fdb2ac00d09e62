#include "adapter/redis/rdb_source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

namespace cairn::adapter::redis {
namespace {

// Header, end mark, and a checksum of zero, which means that there is none.
constexpr std::string_view kEmptyRdb{"REDIS0009\xff\0\0\0\0\0\0\0\0", 18};

class EmptySource : public RdbSource {
 public:
  [[nodiscard]] uint64_t size_bytes() const override { return kEmptyRdb.size(); }
  asio::awaitable<absl::StatusOr<size_t>> Read(std::span<char> into) override {
    const std::string_view bytes = left_.substr(0, into.size());
    std::memcpy(into.data(), bytes.data(), bytes.size());
    left_.remove_prefix(bytes.size());
    co_return bytes.size();
  }

 private:
  std::string_view left_ = kEmptyRdb;
};

class FileSource : public RdbSource {
 public:
  FileSource(int fd, uint64_t size_bytes) : fd_(fd), size_bytes_(size_bytes) {}
  ~FileSource() override { close(fd_); }
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;

  [[nodiscard]] uint64_t size_bytes() const override { return size_bytes_; }
  asio::awaitable<absl::StatusOr<size_t>> Read(std::span<char> into) override {
    ssize_t bytes = 0;
    do {
      bytes = read(fd_, into.data(), into.size());
    } while (bytes < 0 && errno == EINTR);
    if (bytes > 0) co_return static_cast<size_t>(bytes);
    co_return absl::UnavailableError(fmt::format(
        "reading the dump: {}", bytes == 0 ? "it has become shorter" : std::strerror(errno)));
  }

 private:
  const int fd_;
  const uint64_t size_bytes_;
};

class CountedSource : public RdbSource {
 public:
  CountedSource(std::unique_ptr<RdbSource> source, std::function<void(uint64_t, uint64_t)> told)
      : source_(std::move(source)), told_(std::move(told)) {}
  [[nodiscard]] uint64_t size_bytes() const override { return source_->size_bytes(); }
  asio::awaitable<absl::StatusOr<size_t>> Read(std::span<char> into) override {
    absl::StatusOr<size_t> bytes = co_await source_->Read(into);
    if (bytes.ok()) told_(read_ += *bytes, size_bytes());
    co_return bytes;
  }

 private:
  const std::unique_ptr<RdbSource> source_;
  const std::function<void(uint64_t, uint64_t)> told_;
  uint64_t read_ = 0;
};

}  // namespace

std::unique_ptr<RdbSource> EmptyRdb() { return std::make_unique<EmptySource>(); }

absl::StatusOr<std::unique_ptr<RdbSource>> OpenRdbFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat info {};
  if (fd < 0 || fstat(fd, &info) != 0) {
    const int error = errno;
    if (fd >= 0) close(fd);
    const std::string text = fmt::format("dump {}: {}", path, std::strerror(error));
    if (error == ENOENT) return absl::NotFoundError(text);
    return absl::UnavailableError(text);
  }
  std::unique_ptr<RdbSource> source =
      std::make_unique<FileSource>(fd, static_cast<uint64_t>(info.st_size));
  return source;
}

std::unique_ptr<RdbSource> CountReads(std::unique_ptr<RdbSource> source,
                                      std::function<void(uint64_t bytes, uint64_t of)> told) {
  return std::make_unique<CountedSource>(std::move(source), std::move(told));
}

}  // namespace cairn::adapter::redis
