#include "storage/wal_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "storage/direct_wal_file.h"
#include "storage/portion_fs.h"
#include "storage/rocks_status.h"
#include "storage/wal_reader.h"
#include "storage/wal_scan.h"

namespace cairn::storage {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

// As tables are written (portion_fs.h).
constexpr uint64_t kZeroChunkBytes = kPortionBytes;
// Synced in pieces, so that zeroing never floods the device before somebody's sync.
constexpr uint64_t kSyncEveryBytes = 8 << 20;
// RocksDB's own buffer before a log: less than a block of the log, so that those are handed
// over where they stand, without a copy.
constexpr size_t kLogBufferBytes = 4 << 10;

WalGeneration DrawGeneration() {
  std::random_device device;
  return FirstGeneration((uint64_t{device()} << 32) | device());
}

// Not synced.
IOStatus WriteHeader(rocksdb::FSWritableFile& file, const WalGeneration& generation) {
  const std::string header = WalHeaderBlock(generation);
  const AlignedBytes aligned = AllocateAligned(header.size());
  std::memcpy(aligned.get(), header.data(), header.size());
  return file.PositionedAppend(rocksdb::Slice(aligned.get(), header.size()), 0, IOOptions(),
                               nullptr);
}

}  // namespace

WalPoolFs::WalPoolFs(const std::shared_ptr<rocksdb::FileSystem>& target, Options options)
    : rocksdb::FileSystemWrapper(target),
      options_(std::move(options)),
      appended_bytes_(std::make_shared<std::atomic<uint64_t>>(0)) {}

WalPoolFs::~WalPoolFs() { Stop(); }

std::string WalPoolFs::PoolPath(const char* kind, uint64_t number) const {
  return fmt::format("{}/{}-{}", options_.pool_dir, kind, number);
}

std::optional<uint64_t> WalPoolFs::WalNumber(const std::string& path) const {
  const std::string folder = options_.db_dir + "/";
  if (!path.starts_with(folder)) return std::nullopt;
  return WalNumberOf(std::string_view(path).substr(folder.size()));
}

absl::Status WalPoolFs::Start() {
  const IOOptions io;
  RETURN_IF_ERROR(FromRocks(target()->CreateDirIfMissing(options_.pool_dir, io, nullptr)));
  std::vector<std::string> names;
  RETURN_IF_ERROR(FromRocks(target()->GetChildren(options_.pool_dir, io, &names, nullptr)));
  std::deque<ReadyFile> ready;
  uint64_t next_number = 1;
  for (const std::string& name : names) {
    if (name == "." || name == "..") continue;
    const std::string path = options_.pool_dir + "/" + name;
    const bool wanted = name.starts_with("ready-") && ready.size() < MaxFiles();
    std::optional<ReadyFile> found = wanted ? FindReady(path) : std::nullopt;
    if (!found) {
      RETURN_IF_ERROR(FromRocks(target()->DeleteFile(path, io, nullptr)));
      continue;
    }
    uint64_t number = 0;
    std::from_chars(name.data() + 6, name.data() + name.size(), number);
    next_number = std::max(next_number, number + 1);
    ready.push_back(*std::move(found));
  }
  if (options_.pool_files == 0) return absl::OkStatus();
  Job first;
  {
    absl::MutexLock lock(&mutex_);
    ready_ = std::move(ready);
    next_number_ = next_number;
    if (ready_.empty()) first = NextJob();
  }
  if (!first.path.empty()) Do(std::move(first));
  thread_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

std::optional<WalPoolFs::ReadyFile> WalPoolFs::FindReady(const std::string& path) {
  const IOOptions io;
  uint64_t bytes = 0;
  if (!target()->GetFileSize(path, io, &bytes, nullptr).ok()) return std::nullopt;
  if (bytes < options_.file_bytes) return std::nullopt;
  std::unique_ptr<rocksdb::FSSequentialFile> file;
  if (!target()->NewSequentialFile(path, rocksdb::FileOptions(), &file, nullptr).ok()) {
    return std::nullopt;
  }
  std::string header(kWalHeaderBytes, '\0');
  rocksdb::Slice read;
  if (!file->Read(header.size(), io, &read, header.data(), nullptr).ok()) return std::nullopt;
  const std::optional<WalGeneration> generation = ReadWalHeader({read.data(), read.size()});
  if (!generation || generation->number == 0) return std::nullopt;
  return ReadyFile{path, *generation};
}

void WalPoolFs::Stop() {
  {
    absl::MutexLock lock(&mutex_);  // Wakes the thread's wait.
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

size_t WalPoolFs::ready_files() const {
  absl::MutexLock lock(&mutex_);
  return ready_.size();
}

void WalPoolFs::WaitUntilFull() const {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(this, &WalPoolFs::Settled));
}

WalPoolFs::ReadyFile WalPoolFs::TakeReady(uint64_t wal) {
  absl::MutexLock lock(&mutex_);
  broken_ = false;
  ReadyFile file;
  if (ready_.empty()) {
    file.generation = DrawGeneration();
  } else {
    file = std::move(ready_.front());
    ready_.pop_front();
  }
  in_use_.insert_or_assign(wal, file.generation);
  return file;
}

IOStatus WalPoolFs::NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* result,
                                    IODebugContext* debug) {
  const std::optional<uint64_t> number = WalNumber(path);
  if (!number) return target()->NewWritableFile(path, options, result, debug);
  const ReadyFile ready = TakeReady(*number);
  const bool grows = ready.path.empty();
  IOStatus status = grows ? Create(path) : IOStatus::OK();
  std::unique_ptr<rocksdb::FSWritableFile> file;
  if (status.ok()) {
    status = OpenToOverwrite(*target(), grows ? path : ready.path, path, options, &file);
  }
  // Before the first byte: without its header, what is written cannot be read.
  if (status.ok() && grows) status = WriteHeader(*file, ready.generation);
  if (status.ok() && grows) status = file->Fsync(options.io_options, debug);
  // Likewise: if a power cut undid the renaming, the pool would call a file ready that holds a
  // turn, and a later log would begin with it.
  if (status.ok()) status = SyncDirectory(options_.pool_dir, options.io_options, debug);
  if (status.ok()) status = SyncDirectory(options_.db_dir, options.io_options, debug);
  if (!status.ok()) return status;
  *result = std::make_unique<DirectWalFile>(std::move(file), ready.generation, appended_bytes_);
  return status;
}

IOStatus WalPoolFs::NewSequentialFile(const std::string& path, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSSequentialFile>* result,
                                      IODebugContext* debug) {
  std::unique_ptr<rocksdb::FSSequentialFile> file;
  const IOStatus status = target()->NewSequentialFile(path, options, &file, debug);
  if (!status.ok()) return status;
  if (!WalNumber(path)) {
    *result = std::move(file);
    return status;
  }
  return WalReader::Open(path, std::move(file), result);
}

rocksdb::FileOptions WalPoolFs::OptimizeForLogWrite(const rocksdb::FileOptions& options,
                                                    const rocksdb::DBOptions& db) const {
  rocksdb::FileOptions log = target()->OptimizeForLogWrite(options, db);
  log.writable_file_max_buffer_size = kLogBufferBytes;
  return log;
}

IOStatus WalPoolFs::Create(const std::string& path) {
  std::unique_ptr<rocksdb::FSWritableFile> empty;
  IOStatus status = target()->NewWritableFile(path, rocksdb::FileOptions(), &empty, nullptr);
  if (status.ok()) status = empty->Close(IOOptions(), nullptr);
  return status;
}

IOStatus WalPoolFs::DeleteFile(const std::string& path, const IOOptions& io,
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
    if (status.ok()) status = Retire(old_number, old_path, io, debug);
  }
  return status;
}

IOStatus WalPoolFs::Retire(uint64_t wal, const std::string& path, const IOOptions& io,
                           IODebugContext* debug) {
  Job job;
  {
    absl::MutexLock lock(&mutex_);
    const auto used = in_use_.extract(wal);
    // To zero one is as much work as to make one.
    const bool wanted = used.empty() ? WantsNew() : !Enough();
    if (!stopping_ && wanted) {
      job = {PoolPath("dirty", next_number_), next_number_, Found::kUnknown, {}};
      if (!used.empty()) {
        job.found = Found::kRecycled;
        job.next = used.mapped().Next();
      }
      ++next_number_;
      ++in_work_;  // Its place is taken while it is renamed.
    }
  }
  const bool kept = !job.path.empty();
  IOStatus status = kept ? target()->RenameFile(path, job.path, io, debug)
                         : target()->DeleteFile(path, io, debug);
  // Before its header says that nothing of it counts, too: if a power cut undid the renaming of
  // such a file, a log with a hole in it would stand there.
  if (status.ok()) status = SyncDirectory(options_.db_dir, io, debug);
  if (!kept) return status;
  absl::MutexLock lock(&mutex_);
  --in_work_;
  if (status.ok()) dirty_.push_back(std::move(job));
  return status;
}

IOStatus WalPoolFs::SyncDirectory(const std::string& path, const IOOptions& io,
                                  IODebugContext* debug) {
  std::unique_ptr<rocksdb::FSDirectory> dir;
  IOStatus status = target()->NewDirectory(path, io, &dir, debug);
  if (status.ok()) status = dir->Fsync(io, debug);
  return status;
}

// ---- The pool's thread --------------------------------------------------------------

uint64_t WalPoolFs::MaxFiles() const {
  return options_.pool_files == 0 ? 0 : options_.pool_files + options_.live_files;
}

uint64_t WalPoolFs::InPool() const { return ready_.size() + dirty_.size() + in_work_; }

bool WalPoolFs::Enough() const { return InPool() + in_use_.size() >= MaxFiles(); }

bool WalPoolFs::WantsNew() const { return InPool() < options_.pool_files && !Enough(); }

bool WalPoolFs::HasWork() const {
  return stopping_ || (!broken_ && (!dirty_.empty() || WantsNew()));
}

bool WalPoolFs::Settled() const {
  return stopping_ || broken_ || (in_work_ == 0 && dirty_.empty() && !WantsNew());
}

WalPoolFs::Job WalPoolFs::NextJob() {
  ++in_work_;
  if (!dirty_.empty()) {
    Job job = std::move(dirty_.front());
    dirty_.pop_front();
    return job;
  }
  const uint64_t number = next_number_++;
  return {PoolPath("dirty", number), number, Found::kNothing, {}};
}

void WalPoolFs::Run() {
  while (true) {
    Job job;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &WalPoolFs::HasWork));
      if (stopping_) return;
      job = NextJob();
    }
    Do(std::move(job));
  }
}

void WalPoolFs::Do(Job job) {
  const IOStatus status = Prepare(job);
  Finish(job, status);
}

// Past the page cache, as the log itself: what is not cached need not be dropped when that is
// written.
IOStatus WalPoolFs::Prepare(Job& job) {
  const IOOptions io;
  uint64_t bytes = 0;
  IOStatus status = job.found == Found::kNothing
                        ? Create(job.path)
                        : target()->GetFileSize(job.path, io, &bytes, nullptr);
  if (!status.ok()) return status;
  std::unique_ptr<rocksdb::FSWritableFile> file;
  status = OpenToOverwrite(*target(), job.path, job.path, rocksdb::FileOptions(), &file);
  if (!status.ok()) return status;
  const bool recycled = job.found == Found::kRecycled;
  if (!recycled) job.next = DrawGeneration();
  // A log that grew may be shorter than the pool's files. Its last block is of the past, too.
  status = Zero(*file, recycled ? bytes / kDirectBlockBytes * kDirectBlockBytes : 0, bytes);
  if (status.ok()) status = WriteHeader(*file, job.next);
  if (status.ok()) status = file->Fsync(io, nullptr);
  if (status.ok()) status = file->Close(io, nullptr);
  return status;
}

void WalPoolFs::WaitForTurn(uint64_t bytes) {
  if (options_.limiter == nullptr) return;
  while (bytes > 0) {
    const uint64_t part = std::min<uint64_t>(bytes, options_.limiter->GetSingleBurstBytes());
    options_.limiter->Request(static_cast<int64_t>(part), rocksdb::Env::IO_HIGH, nullptr,
                              rocksdb::RateLimiter::OpType::kWrite);
    bytes -= part;
  }
}

IOStatus WalPoolFs::Zero(rocksdb::FSWritableFile& file, uint64_t begin, uint64_t bytes) {
  const IOOptions io;
  const uint64_t end = WholeBlocks(std::max(bytes, options_.file_bytes));
  if (begin == end) return IOStatus::OK();
  const AlignedBytes zeros = AllocateAligned(kZeroChunkBytes);
  IOStatus status;
  uint64_t synced = begin;
  for (uint64_t offset = begin; offset < end && status.ok();) {
    if (stopping_) return IOStatus::Aborted("the pool is stopping");
    const uint64_t n = std::min(kZeroChunkBytes, end - offset);
    WaitForTurn(n);
    status = file.PositionedAppend(rocksdb::Slice(zeros.get(), n), offset, io, nullptr);
    offset += n;
    if (status.ok() && (offset - synced >= kSyncEveryBytes || offset == end)) {
      status = file.Fsync(io, nullptr);
      synced = offset;
    }
  }
  return status;
}

void WalPoolFs::Finish(const Job& job, const IOStatus& prepared) {
  const std::string ready = PoolPath("ready", job.number);
  IOStatus status = prepared;
  if (status.ok()) status = target()->RenameFile(job.path, ready, IOOptions(), nullptr);
  if (!status.ok()) target()->DeleteFile(job.path, IOOptions(), nullptr).PermitUncheckedError();
  absl::MutexLock lock(&mutex_);
  --in_work_;
  if (status.ok()) {
    ready_.push_back({ready, job.next});
  } else {
    broken_ = true;
  }
}

}  // namespace cairn::storage
