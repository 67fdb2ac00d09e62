#include "storage/prezeroed_wal.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "storage/direct_wal_file.h"
#include "storage/rocks_status.h"

namespace cairn::storage {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

constexpr uint64_t kZeroChunkBytes = 1 << 20;
// Synced in pieces, so that zeroing never floods the device before somebody's sync.
constexpr uint64_t kSyncEveryBytes = 8 << 20;
// RocksDB's own buffer before a log: less than a block of the log, so that those are handed
// over where they stand, without a copy.
constexpr size_t kLogBufferBytes = 4 << 10;

}  // namespace

PrezeroedWalFs::PrezeroedWalFs(const std::shared_ptr<rocksdb::FileSystem>& target, Options options)
    : rocksdb::FileSystemWrapper(target),
      options_(std::move(options)),
      appended_bytes_(std::make_shared<std::atomic<uint64_t>>(0)) {}

PrezeroedWalFs::~PrezeroedWalFs() { Stop(); }

std::string PrezeroedWalFs::PoolPath(const char* kind, uint64_t number) const {
  return fmt::format("{}/{}-{}", options_.pool_dir, kind, number);
}

std::optional<uint64_t> PrezeroedWalFs::WalNumber(const std::string& path) const {
  if (!path.starts_with(options_.db_dir + "/") || !path.ends_with(".log")) return std::nullopt;
  const char* begin = path.data() + options_.db_dir.size() + 1;
  const char* end = path.data() + path.size() - 4;
  uint64_t number = 0;
  const auto [stop, error] = std::from_chars(begin, end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

absl::Status PrezeroedWalFs::Start() {
  const IOOptions io;
  RETURN_IF_ERROR(FromRocks(target()->CreateDirIfMissing(options_.pool_dir, io, nullptr)));
  std::vector<std::string> names;
  RETURN_IF_ERROR(FromRocks(target()->GetChildren(options_.pool_dir, io, &names, nullptr)));
  std::deque<std::string> ready;
  uint64_t next_number = 1;
  for (const std::string& name : names) {
    if (name == "." || name == "..") continue;
    const std::string path = options_.pool_dir + "/" + name;
    uint64_t number = 0;
    uint64_t bytes = 0;
    const bool usable = name.starts_with("ready-") && ready.size() < options_.pool_files &&
                        target()->GetFileSize(path, io, &bytes, nullptr).ok() &&
                        bytes >= options_.file_bytes;
    if (!usable) {
      RETURN_IF_ERROR(FromRocks(target()->DeleteFile(path, io, nullptr)));
      continue;
    }
    std::from_chars(name.data() + 6, name.data() + name.size(), number);
    next_number = std::max(next_number, number + 1);
    ready.push_back(path);
  }
  if (options_.pool_files == 0) return absl::OkStatus();
  Job first;
  {
    absl::MutexLock lock(&mutex_);
    ready_ = std::move(ready);
    next_number_ = next_number;
    if (ready_.empty()) first = NextJob();
  }
  if (!first.path.empty()) Finish(first, Prepare(first));
  thread_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

void PrezeroedWalFs::Stop() {
  {
    absl::MutexLock lock(&mutex_);  // Wakes the thread's wait.
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

size_t PrezeroedWalFs::ready_files() const {
  absl::MutexLock lock(&mutex_);
  return ready_.size();
}

void PrezeroedWalFs::WaitUntilFull() const {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(this, &PrezeroedWalFs::Settled));
}

std::optional<std::string> PrezeroedWalFs::TakeReady() {
  absl::MutexLock lock(&mutex_);
  broken_ = false;
  if (ready_.empty()) return std::nullopt;
  std::string path = std::move(ready_.front());
  ready_.pop_front();
  return path;
}

IOStatus PrezeroedWalFs::NewWritableFile(const std::string& path,
                                         const rocksdb::FileOptions& options,
                                         std::unique_ptr<rocksdb::FSWritableFile>* result,
                                         IODebugContext* debug) {
  if (!WalNumber(path)) return target()->NewWritableFile(path, options, result, debug);
  IOStatus status;
  std::optional<std::string> ready = TakeReady();
  if (!ready) {
    status = Create(path);
    ready = path;
  }
  std::unique_ptr<rocksdb::FSWritableFile> file;
  if (status.ok()) status = OpenToOverwrite(*target(), *ready, path, options, &file);
  // Before the first byte: if a power cut undid the renaming, the pool would call a file ready
  // that holds a turn, and a later log would begin with it.
  if (status.ok()) status = SyncDirectory(options_.pool_dir, options.io_options, debug);
  if (status.ok()) status = SyncDirectory(options_.db_dir, options.io_options, debug);
  if (status.ok()) *result = std::make_unique<DirectWalFile>(std::move(file), appended_bytes_);
  return status;
}

rocksdb::FileOptions PrezeroedWalFs::OptimizeForLogWrite(const rocksdb::FileOptions& options,
                                                         const rocksdb::DBOptions& db) const {
  rocksdb::FileOptions log = target()->OptimizeForLogWrite(options, db);
  log.writable_file_max_buffer_size = kLogBufferBytes;
  return log;
}

IOStatus PrezeroedWalFs::Create(const std::string& path) {
  std::unique_ptr<rocksdb::FSWritableFile> empty;
  IOStatus status = target()->NewWritableFile(path, rocksdb::FileOptions(), &empty, nullptr);
  if (status.ok()) status = empty->Close(IOOptions(), nullptr);
  return status;
}

IOStatus PrezeroedWalFs::DeleteFile(const std::string& path, const IOOptions& io,
                                    IODebugContext* debug) {
  const std::optional<uint64_t> number = WalNumber(path);
  if (!number) return target()->DeleteFile(path, io, debug);
  absl::MutexLock lock(&retire_mutex_);
  std::vector<std::string> names;
  IOStatus status = target()->GetChildren(options_.db_dir, io, &names, debug);
  std::map<uint64_t, std::string> retired;
  for (const std::string& name : names) {
    std::string wal = options_.db_dir + "/" + name;
    const std::optional<uint64_t> other = WalNumber(wal);
    if (other && *other <= *number) retired.emplace(*other, std::move(wal));
  }
  for (const auto& [old_number, old_path] : retired) {
    if (status.ok()) status = Retire(old_path, io, debug);
  }
  return status;
}

IOStatus PrezeroedWalFs::Retire(const std::string& path, const IOOptions& io,
                                IODebugContext* debug) {
  Job job;
  {
    absl::MutexLock lock(&mutex_);
    const size_t in_pool = ready_.size() + dirty_.size() + in_work_;
    if (!stopping_ && in_pool < options_.pool_files) {
      job = {PoolPath("dirty", next_number_), next_number_, true};
      ++next_number_;
      ++in_work_;  // Its place is taken while it is renamed.
    }
  }
  const bool kept = !job.path.empty();
  IOStatus status = kept ? target()->RenameFile(path, job.path, io, debug)
                         : target()->DeleteFile(path, io, debug);
  // Before its bytes go, too: if a power cut undid the renaming of a file that is zeroed
  // already, a log with a hole in it would stand there.
  if (status.ok()) status = SyncDirectory(options_.db_dir, io, debug);
  if (!kept) return status;
  absl::MutexLock lock(&mutex_);
  --in_work_;
  if (status.ok()) dirty_.push_back(std::move(job));
  return status;
}

IOStatus PrezeroedWalFs::SyncDirectory(const std::string& path, const IOOptions& io,
                                       IODebugContext* debug) {
  std::unique_ptr<rocksdb::FSDirectory> dir;
  IOStatus status = target()->NewDirectory(path, io, &dir, debug);
  if (status.ok()) status = dir->Fsync(io, debug);
  return status;
}

// ---- The pool's thread --------------------------------------------------------------

bool PrezeroedWalFs::HasWork() const {
  return stopping_ ||
         (!broken_ && (!dirty_.empty() || ready_.size() + in_work_ < options_.pool_files));
}

bool PrezeroedWalFs::Settled() const {
  return stopping_ || broken_ || ready_.size() >= options_.pool_files;
}

PrezeroedWalFs::Job PrezeroedWalFs::NextJob() {
  ++in_work_;
  if (!dirty_.empty()) {
    Job job = std::move(dirty_.front());
    dirty_.pop_front();
    return job;
  }
  const uint64_t number = next_number_++;
  return {PoolPath("dirty", number), number, false};
}

void PrezeroedWalFs::Run() {
  while (true) {
    Job job;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &PrezeroedWalFs::HasWork));
      if (stopping_) return;
      job = NextJob();
    }
    Finish(job, Prepare(job));
  }
}

IOStatus PrezeroedWalFs::Prepare(const Job& job) {
  const IOStatus status = job.exists ? IOStatus::OK() : Create(job.path);
  return status.ok() ? Zero(job.path) : status;
}

// All of the file, which may be longer than the pool's, and at least `file_bytes`. Past the page
// cache, as the log itself: what is not cached need not be dropped when that is written.
IOStatus PrezeroedWalFs::Zero(const std::string& path) {
  const AlignedBytes zeros = AllocateAligned(kZeroChunkBytes);
  const IOOptions io;
  uint64_t bytes = 0;
  IOStatus status = target()->GetFileSize(path, io, &bytes, nullptr);
  if (!status.ok()) return status;
  std::unique_ptr<rocksdb::FSWritableFile> file;
  status = OpenToOverwrite(*target(), path, path, rocksdb::FileOptions(), &file);
  if (!status.ok()) return status;
  const uint64_t end = WholeBlocks(std::max(bytes, options_.file_bytes));
  uint64_t synced = 0;
  for (uint64_t offset = 0; offset < end && status.ok();) {
    if (stopping_) return IOStatus::Aborted("the pool is stopping");
    const uint64_t n = std::min(kZeroChunkBytes, end - offset);
    status = file->PositionedAppend(rocksdb::Slice(zeros.get(), n), offset, io, nullptr);
    offset += n;
    if (status.ok() && (offset - synced >= kSyncEveryBytes || offset == end)) {
      status = file->Fsync(io, nullptr);
      synced = offset;
    }
  }
  if (status.ok()) status = file->Close(io, nullptr);
  return status;
}

void PrezeroedWalFs::Finish(const Job& job, const IOStatus& zeroed) {
  const std::string ready = PoolPath("ready", job.number);
  IOStatus status = zeroed;
  if (status.ok()) status = target()->RenameFile(job.path, ready, IOOptions(), nullptr);
  if (!status.ok()) target()->DeleteFile(job.path, IOOptions(), nullptr).PermitUncheckedError();
  absl::MutexLock lock(&mutex_);
  --in_work_;
  if (status.ok()) {
    ready_.push_back(ready);
  } else {
    broken_ = true;
  }
}

}  // namespace cairn::storage
