#include "storage/write_behind.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "base/check.h"
#include "storage/portion_fs.h"

namespace cairn::storage {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

constexpr size_t kBlockBytes = 1 << 20;
constexpr size_t kMostQueued = 6;
constexpr size_t kQueuedInHaste = 2;

}  // namespace

WriteBehindFile::WriteBehindFile(std::unique_ptr<rocksdb::FSWritableFile> file, bool direct)
    : file_(std::move(file)), direct_(direct), thread_([this] { Run(); }) {}

WriteBehindFile::~WriteBehindFile() { Stop(); }

IOStatus WriteBehindFile::Append(const rocksdb::Slice& data, const IOOptions&, IODebugContext*) {
  CHECK(!synced_);
  for (rocksdb::Slice rest = data; !rest.empty();) {
    if (filling_.bytes == nullptr) filling_.bytes = AllocateAligned(kBlockBytes);
    const size_t taken = std::min(rest.size(), kBlockBytes - filling_.used);
    std::memcpy(filling_.bytes.get() + filling_.used, rest.data(), taken);
    filling_.used += taken;
    size_ += taken;
    rest.remove_prefix(taken);
    if (filling_.used < kBlockBytes) continue;
    if (IOStatus status = HandOver(); !status.ok()) return status;
  }
  return IOStatus::OK();
}

bool WriteBehindFile::HasRoom() const { return queue_.size() < kMostQueued || !status_.ok(); }
bool WriteBehindFile::HasWork() const { return !queue_.empty() || stopping_; }
bool WriteBehindFile::IsDrained() const { return (queue_.empty() && !writing_) || !status_.ok(); }

IOStatus WriteBehindFile::HandOver() {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(this, &WriteBehindFile::HasRoom));
  if (!status_.ok()) return status_;
  queue_.push_back(std::exchange(filling_, {}));
  if (spare_.empty()) return IOStatus::OK();
  filling_ = std::move(spare_.back());
  spare_.pop_back();
  return IOStatus::OK();
}

IOStatus WriteBehindFile::Drain() {
  if (filling_.used > 0) {
    if (IOStatus status = HandOver(); !status.ok()) return status;
  }
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(this, &WriteBehindFile::IsDrained));
  return status_;
}

void WriteBehindFile::Run() {
  uint64_t at = 0;
  while (true) {
    Block block;
    bool haste = false;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &WriteBehindFile::HasWork));
      if (queue_.empty()) return;
      block = std::move(queue_.front());
      queue_.pop_front();
      haste = queue_.size() >= kQueuedInHaste;
      writing_ = true;
    }
    IOStatus status = Write(block, at, haste);
    at += block.used;
    block.used = 0;
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    spare_.push_back(std::move(block));
    if (status_.ok()) status_ = std::move(status);
    if (!status_.ok()) return;
  }
}

IOStatus WriteBehindFile::Write(Block& block, uint64_t at, bool haste) {
  if (!direct_) {
    const rocksdb::Slice bytes(block.bytes.get(), block.used);
    IOStatus status = file_->Append(bytes, IOOptions(), nullptr);
    return status.ok() ? file_->RangeSync(at, block.used, IOOptions(), nullptr) : status;
  }
  // Only the last block is not full; Sync cuts what is behind its end.
  const size_t end = WholeBlocks(block.used);
  std::memset(block.bytes.get() + block.used, 0, end - block.used);
  const size_t portion = haste ? kBlockBytes : kPortionBytes;
  IOStatus status;
  for (size_t done = 0; done < end && status.ok(); done += portion) {
    const rocksdb::Slice bytes(block.bytes.get() + done, std::min(portion, end - done));
    status = file_->PositionedAppend(bytes, at + done, IOOptions(), nullptr);
  }
  return status;
}

IOStatus WriteBehindFile::Sync(const IOOptions& io, IODebugContext* debug) {
  synced_ = true;
  IOStatus status = Drain();
  if (status.ok() && direct_) status = file_->Truncate(size_, io, debug);
  return status.ok() ? file_->Sync(io, debug) : status;
}

IOStatus WriteBehindFile::Close(const IOOptions& io, IODebugContext* debug) {
  IOStatus status = Drain();
  Stop();
  IOStatus closed = file_->Close(io, debug);
  return status.ok() ? closed : status;
}

void WriteBehindFile::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

IOStatus WriteBehindFs::NewWritableFile(const std::string& path,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSWritableFile>* result,
                                        IODebugContext* debug) {
  rocksdb::FileOptions direct = options;
  direct.use_mmap_writes = false;
  direct.use_direct_writes = direct_;
  std::unique_ptr<rocksdb::FSWritableFile> file;
  IOStatus status = target()->NewWritableFile(path, direct, &file, debug);
  if (status.ok()) *result = std::make_unique<WriteBehindFile>(std::move(file), direct_);
  return status;
}

}  // namespace cairn::storage
