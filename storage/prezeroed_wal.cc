#include "storage/prezeroed_wal.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "storage/rocks_status.h"

namespace cairn::storage {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

constexpr uint64_t kZeroChunkBytes = 1 << 20;
// Synced in pieces, so that zeroing never floods the device before somebody's sync.
constexpr uint64_t kSyncEveryBytes = 8 << 20;

// A file that is written in order over what already stands there.
class OverwritingFile : public rocksdb::FSWritableFile {
 public:
  OverwritingFile(std::unique_ptr<rocksdb::FSRandomRWFile> file,
                  std::shared_ptr<std::atomic<uint64_t>> appended_bytes)
      : file_(std::move(file)), appended_bytes_(std::move(appended_bytes)) {}

  using FSWritableFile::Append;
  IOStatus Append(const rocksdb::Slice& data, const IOOptions& io, IODebugContext* debug) override {
    IOStatus status = file_->Write(bytes_, data, io, debug);
    if (status.ok()) {
      bytes_ += data.size();
      appended_bytes_->fetch_add(data.size(), std::memory_order_relaxed);
    }
    return status;
  }
  IOStatus Flush(const IOOptions& io, IODebugContext* debug) override {
    return file_->Flush(io, debug);
  }
  IOStatus Sync(const IOOptions& io, IODebugContext* debug) override {
    return file_->Sync(io, debug);
  }
  IOStatus Fsync(const IOOptions& io, IODebugContext* debug) override {
    return file_->Fsync(io, debug);
  }
  [[nodiscard]] bool IsSyncThreadSafe() const override { return true; }
  // The zeros behind the end stay: cutting them would be a change of length, and the file
  // goes back to the pool anyway.
  IOStatus Close(const IOOptions& io, IODebugContext* debug) override {
    return file_->Close(io, debug);
  }
  uint64_t GetFileSize(const IOOptions&, IODebugContext*) override { return bytes_; }

 private:
  const std::unique_ptr<rocksdb::FSRandomRWFile> file_;
  const std::shared_ptr<std::atomic<uint64_t>> appended_bytes_;
  uint64_t bytes_ = 0;
};

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
  if (const std::optional<std::string> ready = TakeReady()) {
    status = target()->RenameFile(*ready, path, options.io_options, debug);
  } else {
    std::unique_ptr<rocksdb::FSWritableFile> empty;
    status = target()->NewWritableFile(path, options, &empty, debug);
    if (status.ok()) status = empty->Close(options.io_options, debug);
  }
  if (!status.ok()) return status;
  std::unique_ptr<rocksdb::FSRandomRWFile> file;
  status = target()->NewRandomRWFile(path, options, &file, debug);
  if (status.ok()) *result = std::make_unique<OverwritingFile>(std::move(file), appended_bytes_);
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
  if (status.ok()) status = SyncDbDirectory(io, debug);
  if (!kept) return status;
  absl::MutexLock lock(&mutex_);
  --in_work_;
  if (status.ok()) dirty_.push_back(std::move(job));
  return status;
}

IOStatus PrezeroedWalFs::SyncDbDirectory(const IOOptions& io, IODebugContext* debug) {
  std::unique_ptr<rocksdb::FSDirectory> dir;
  IOStatus status = target()->NewDirectory(options_.db_dir, io, &dir, debug);
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
  if (!job.exists) {
    std::unique_ptr<rocksdb::FSWritableFile> empty;
    IOStatus status = target()->NewWritableFile(job.path, rocksdb::FileOptions(), &empty, nullptr);
    if (status.ok()) status = empty->Close(IOOptions(), nullptr);
    if (!status.ok()) return status;
  }
  return Zero(job.path);
}

// All of the file, which may be longer than the pool's, and at least `file_bytes`.
IOStatus PrezeroedWalFs::Zero(const std::string& path) {
  static const std::string kZeros(kZeroChunkBytes, '\0');
  const IOOptions io;
  uint64_t bytes = 0;
  IOStatus status = target()->GetFileSize(path, io, &bytes, nullptr);
  if (!status.ok()) return status;
  std::unique_ptr<rocksdb::FSRandomRWFile> file;
  status = target()->NewRandomRWFile(path, rocksdb::FileOptions(), &file, nullptr);
  if (!status.ok()) return status;
  const uint64_t end = std::max(bytes, options_.file_bytes);
  uint64_t synced = 0;
  for (uint64_t offset = 0; offset < end && status.ok();) {
    if (stopping_) return IOStatus::Aborted("the pool is stopping");
    const uint64_t n = std::min(kZeroChunkBytes, end - offset);
    status = file->Write(offset, rocksdb::Slice(kZeros.data(), n), io, nullptr);
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
