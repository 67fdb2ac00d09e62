#include "storage/direct_wal_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace cairn::storage {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

constexpr size_t kFirstBufferBytes = 64 << 10;
// A record of 1 MiB with what the store and RocksDB put around it, and 1 MiB's stamps (17 KiB).
constexpr size_t kMaxBufferBytes = (1 << 20) + (64 << 10);

}  // namespace

bool TakesDirectIo(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
  if (fd < 0) return false;
  close(fd);
  return true;
}

AlignedBytes AllocateAligned(size_t bytes) {
  AlignedBytes allocated(
      static_cast<char*>(std::aligned_alloc(kDirectBlockBytes, WholeBlocks(bytes))));
  CHECK(allocated != nullptr);
  std::memset(allocated.get(), 0, bytes);
  return allocated;
}

IOStatus OpenToOverwrite(rocksdb::FileSystem& fs, const std::string& from, const std::string& to,
                         const rocksdb::FileOptions& options,
                         std::unique_ptr<rocksdb::FSWritableFile>* result) {
  rocksdb::FileOptions direct = options;
  direct.use_mmap_writes = false;
  direct.use_direct_writes = true;
  if (IOStatus status = fs.ReuseWritableFile(to, from, direct, result, nullptr); status.ok()) {
    return status;
  }
  // RocksDB does not tell EINVAL from others: what is really wrong is wrong this way, too.
  direct.use_direct_writes = false;
  return fs.ReuseWritableFile(to, from, direct, result, nullptr);
}

DirectWalFile::DirectWalFile(std::unique_ptr<rocksdb::FSWritableFile> file,
                             const WalGeneration& generation,
                             std::shared_ptr<std::atomic<uint64_t>> appended_bytes)
    : file_(std::move(file)),
      stamp_(StampOf(generation)),
      appended_bytes_(std::move(appended_bytes)) {
  Reserve(kFirstBufferBytes);
}

void DirectWalFile::Reserve(size_t bytes) {
  if (bytes <= capacity_) return;
  size_t capacity = std::max(capacity_, kFirstBufferBytes);
  while (capacity < bytes) capacity *= 2;
  capacity = std::min(capacity, kMaxBufferBytes);
  AlignedBytes grown = AllocateAligned(capacity);
  if (used_ > 0) std::memcpy(grown.get(), buffer_.get(), used_);
  buffer_ = std::move(grown);
  capacity_ = capacity;
}

IOStatus DirectWalFile::Append(const rocksdb::Slice& data, const IOOptions& io,
                               IODebugContext* debug) {
  rocksdb::Slice rest = data;
  while (!rest.empty()) {
    Reserve(used_ + FramedWalBytes(rest.size()));
    rest.remove_prefix(
        FramePayload({rest.data(), rest.size()}, stamp_, buffer_.get(), capacity_, &used_));
    if (used_ < kMaxBufferBytes) continue;
    if (IOStatus status = WriteOut(io, debug); !status.ok()) return status;
  }
  appended_bytes_->fetch_add(data.size(), std::memory_order_relaxed);
  return IOStatus::OK();
}

IOStatus DirectWalFile::WriteOut(const IOOptions& io, IODebugContext* debug) {
  if (written_ == used_) return IOStatus::OK();
  const size_t sealed = SealSector(stamp_, buffer_.get(), used_);
  const size_t end = WholeBlocks(sealed);
  std::memset(buffer_.get() + sealed, 0, end - sealed);
  IOStatus status =
      file_->PositionedAppend(rocksdb::Slice(buffer_.get(), end), buffer_at_, io, debug);
  if (!status.ok()) return status;
  // The block that is not full stays, to be written again with what follows.
  const size_t full = used_ / kDirectBlockBytes * kDirectBlockBytes;
  std::memmove(buffer_.get(), buffer_.get() + full, used_ - full);
  buffer_at_ += full;
  used_ -= full;
  written_ = used_;
  return status;
}

IOStatus DirectWalFile::Sync(const IOOptions& io, IODebugContext* debug) {
  IOStatus status = WriteOut(io, debug);
  if (status.ok()) status = file_->Sync(io, debug);
  return status;
}

IOStatus DirectWalFile::Close(const IOOptions& io, IODebugContext* debug) {
  IOStatus status = WriteOut(io, debug);
  if (status.ok()) status = file_->Close(io, debug);
  return status;
}

}  // namespace cairn::storage
