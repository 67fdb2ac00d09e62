#include "tests/support/lossy_fs.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "base/check.h"

namespace cairn::testing {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

constexpr uint64_t kSectorBytes = 512;

std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

// Empty for the empty path.
std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

// Names of the pool alone (dirty, ready) do not matter: the files are looked into at a start.
bool IsOfDatabase(const std::string& path) { return DirectoryOf(path).ends_with("/db"); }

class LossyAppendFile : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  LossyAppendFile(std::unique_ptr<rocksdb::FSWritableFile> file, LossyFs* fs, std::string path,
                  uint64_t bytes)
      : FSWritableFileOwnerWrapper(std::move(file)),
        fs_(fs),
        path_(std::move(path)),
        bytes_(bytes) {}

  using FSWritableFileOwnerWrapper::Append;
  IOStatus Append(const rocksdb::Slice& data, const IOOptions& io, IODebugContext* debug) override {
    const LossyFs::UnderWay under_way(fs_);
    IOStatus status = fs_->Change(LossyFs::Op::kWrite, path_);
    if (status.ok()) status = target()->Append(data, io, debug);
    if (status.ok()) {
      fs_->NoteWrite(path_, bytes_, "", data.size());
      bytes_ += data.size();
    }
    return status;
  }
  IOStatus Sync(const IOOptions& io, IODebugContext* debug) override {
    const LossyFs::UnderWay under_way(fs_);
    return Synced(fs_->Change(LossyFs::Op::kSync, path_), io, debug);
  }
  IOStatus Fsync(const IOOptions& io, IODebugContext* debug) override {
    const LossyFs::UnderWay under_way(fs_);
    return Synced(fs_->Change(LossyFs::Op::kSync, path_), io, debug);
  }

 private:
  // The real disk need not be bothered: the bookkeeping decides what is lost.
  IOStatus Synced(IOStatus allowed, const IOOptions& io, IODebugContext* debug) {
    if (allowed.ok()) allowed = target()->Flush(io, debug);
    if (allowed.ok()) fs_->NoteSync(path_);
    return allowed;
  }

  LossyFs* const fs_;
  const std::string path_;
  uint64_t bytes_;
};

class LossyRandomFile : public rocksdb::FSRandomRWFile {
 public:
  LossyRandomFile(std::unique_ptr<rocksdb::FSRandomRWFile> file, LossyFs* fs, std::string path)
      : file_(std::move(file)), fs_(fs), path_(std::move(path)) {}

  IOStatus Write(uint64_t offset, const rocksdb::Slice& data, const IOOptions& io,
                 IODebugContext* debug) override {
    const LossyFs::UnderWay under_way(fs_);
    IOStatus status = fs_->Change(LossyFs::Op::kWrite, path_);
    if (!status.ok()) return status;
    std::string scratch(data.size(), '\0');
    rocksdb::Slice old;
    status = file_->Read(offset, data.size(), io, &old, scratch.data(), debug);
    if (status.ok()) status = file_->Write(offset, data, io, debug);
    if (status.ok()) fs_->NoteWrite(path_, offset, old.ToString(), data.size());
    return status;
  }
  IOStatus Read(uint64_t offset, size_t n, const IOOptions& io, rocksdb::Slice* result,
                char* scratch, IODebugContext* debug) const override {
    return file_->Read(offset, n, io, result, scratch, debug);
  }
  IOStatus Flush(const IOOptions& io, IODebugContext* debug) override {
    return file_->Flush(io, debug);
  }
  IOStatus Sync(const IOOptions&, IODebugContext*) override {
    const LossyFs::UnderWay under_way(fs_);
    IOStatus status = fs_->Change(LossyFs::Op::kSync, path_);
    if (status.ok()) fs_->NoteSync(path_);
    return status;
  }
  IOStatus Close(const IOOptions& io, IODebugContext* debug) override {
    return file_->Close(io, debug);
  }

 private:
  const std::unique_ptr<rocksdb::FSRandomRWFile> file_;
  LossyFs* const fs_;
  const std::string path_;
};

// A file whose writer says where each piece goes: a log that overwrites what is there, or a
// table that is written past the page cache, in whole blocks.
class LossyPlacedFile : public rocksdb::FSWritableFile {
 public:
  LossyPlacedFile(std::unique_ptr<rocksdb::FSRandomRWFile> file, LossyFs* fs, std::string path,
                  bool direct)
      : file_(std::move(file), fs, path), fs_(fs), path_(std::move(path)), direct_(direct) {}

  using FSWritableFile::Append;
  using FSWritableFile::PositionedAppend;
  IOStatus Append(const rocksdb::Slice&, const IOOptions&, IODebugContext*) override {
    return IOStatus::NotSupported("such a file's writer says where");
  }
  IOStatus PositionedAppend(const rocksdb::Slice& data, uint64_t offset, const IOOptions& io,
                            IODebugContext* debug) override {
    if (direct_) {
      CHECK_EQ(offset % kDirectBlockBytes, 0u);
      CHECK_EQ(data.size() % kDirectBlockBytes, 0u);
      CHECK_EQ(reinterpret_cast<uintptr_t>(data.data()) % kDirectBlockBytes, 0u);
    }
    return file_.Write(offset, data, io, debug);
  }
  IOStatus Truncate(uint64_t bytes, const IOOptions&, IODebugContext*) override {
    const LossyFs::UnderWay under_way(fs_);
    IOStatus status = fs_->Change(LossyFs::Op::kWrite, path_);
    if (!status.ok()) return status;
    const std::string cut = ReadAll(path_).substr(bytes);
    std::filesystem::resize_file(path_, bytes);
    fs_->NoteWrite(path_, bytes, cut, 0);
    return status;
  }
  IOStatus Flush(const IOOptions& io, IODebugContext* debug) override {
    return file_.Flush(io, debug);
  }
  IOStatus Sync(const IOOptions& io, IODebugContext* debug) override {
    return file_.Sync(io, debug);
  }
  IOStatus Close(const IOOptions& io, IODebugContext* debug) override {
    return file_.Close(io, debug);
  }
  [[nodiscard]] bool use_direct_io() const override { return direct_; }

 private:
  static constexpr uint64_t kDirectBlockBytes = 4096;
  LossyRandomFile file_;
  LossyFs* const fs_;
  const std::string path_;
  const bool direct_;
};

class LossyDirectory : public rocksdb::FSDirectory {
 public:
  LossyDirectory(LossyFs* fs, std::string path) : fs_(fs), path_(std::move(path)) {}
  IOStatus Fsync(const IOOptions&, IODebugContext*) override {
    const LossyFs::UnderWay under_way(fs_);
    IOStatus status = fs_->Change(LossyFs::Op::kSync, path_);
    if (status.ok()) fs_->NoteDirectorySync(path_);
    return status;
  }

 private:
  LossyFs* const fs_;
  const std::string path_;
};

}  // namespace

void LossyFs::CutAfter(uint64_t changes, std::string part) {
  absl::MutexLock lock(&mutex_);
  changes_left_ = changes;
  counted_part_ = std::move(part);
  cut_at_.clear();
}

std::string LossyFs::cut_at() const {
  absl::MutexLock lock(&mutex_);
  return cut_at_;
}

void LossyFs::FailOnce(Op op, std::string part, IOStatus status) {
  absl::MutexLock lock(&mutex_);
  fault_ = Fault{op, std::move(part), std::move(status)};
}

uint64_t LossyFs::changes() const {
  absl::MutexLock lock(&mutex_);
  return changes_;
}

IOStatus LossyFs::Change(Op op, const std::string& path) {
  absl::MutexLock lock(&mutex_);
  const bool counts = path.find(counted_part_) != std::string::npos;
  if (counts && changes_left_ == 0) power_ = false;
  if (!power_) {
    if (cut_at_.empty()) cut_at_ = path;
    return IOStatus::IOError("power is cut");
  }
  ++changes_;
  if (counts && changes_left_ != kNever) --changes_left_;
  if (!fault_ || fault_->op != op || path.find(fault_->part) == std::string::npos) {
    return IOStatus::OK();
  }
  IOStatus status = std::move(fault_->status);
  fault_.reset();
  return status;
}

LossyFs::UnderWay::UnderWay(LossyFs* fs) : fs_(fs) {
  absl::MutexLock lock(&fs_->mutex_);
  ++fs_->under_way_;
}

LossyFs::UnderWay::~UnderWay() {
  absl::MutexLock lock(&fs_->mutex_);
  --fs_->under_way_;
}

void LossyFs::NoteWrite(const std::string& path, uint64_t offset, std::string old_bytes,
                        uint64_t new_bytes) {
  absl::MutexLock lock(&mutex_);
  unsynced_[path].push_back({offset, std::move(old_bytes), new_bytes});
}

void LossyFs::NoteSync(const std::string& path) {
  absl::MutexLock lock(&mutex_);
  unsynced_.erase(path);
}

void LossyFs::NoteDirectorySync(const std::string& path) {
  absl::MutexLock lock(&mutex_);
  // A journal commits a rename whole, whichever of its directories is synced.
  names_.erase(std::remove_if(names_.begin(), names_.end(),
                              [&](const NameChange& n) {
                                return DirectoryOf(n.to) == path || DirectoryOf(n.from) == path;
                              }),
               names_.end());
}

IOStatus LossyFs::NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                  std::unique_ptr<rocksdb::FSWritableFile>* result,
                                  IODebugContext* debug) {
  const UnderWay under_way(this);
  IOStatus status = Change(Op::kName, path);
  std::unique_ptr<rocksdb::FSWritableFile> file;
  // The real file need not be written past the page cache.
  rocksdb::FileOptions cached = options;
  cached.use_direct_writes = false;
  if (status.ok()) status = target()->NewWritableFile(path, cached, &file, debug);
  if (!status.ok()) return status;
  {
    absl::MutexLock lock(&mutex_);
    unsynced_.erase(path);
    names_.push_back({"", path, std::nullopt});
  }
  if (options.use_direct_writes) return Place(path, options, result, debug);
  *result = std::make_unique<LossyAppendFile>(std::move(file), this, path, 0);
  return status;
}

IOStatus LossyFs::ReopenWritableFile(const std::string&, const rocksdb::FileOptions&,
                                     std::unique_ptr<rocksdb::FSWritableFile>*, IODebugContext*) {
  return IOStatus::NotSupported("the store never appends to a file that was closed");
}

IOStatus LossyFs::ReuseWritableFile(const std::string& path, const std::string& old_path,
                                    const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* result,
                                    IODebugContext* debug) {
  IOStatus status;
  if (path != old_path) status = RenameFile(old_path, path, options.io_options, debug);
  return status.ok() ? Place(path, options, result, debug) : status;
}

IOStatus LossyFs::Place(const std::string& path, const rocksdb::FileOptions& options,
                        std::unique_ptr<rocksdb::FSWritableFile>* result, IODebugContext* debug) {
  std::unique_ptr<rocksdb::FSRandomRWFile> file;
  IOStatus status = target()->NewRandomRWFile(path, options, &file, debug);
  if (!status.ok()) return status;
  *result =
      std::make_unique<LossyPlacedFile>(std::move(file), this, path, options.use_direct_writes);
  return status;
}

IOStatus LossyFs::NewRandomRWFile(const std::string& path, const rocksdb::FileOptions& options,
                                  std::unique_ptr<rocksdb::FSRandomRWFile>* result,
                                  IODebugContext* debug) {
  std::unique_ptr<rocksdb::FSRandomRWFile> file;
  IOStatus status = target()->NewRandomRWFile(path, options, &file, debug);
  if (status.ok()) *result = std::make_unique<LossyRandomFile>(std::move(file), this, path);
  return status;
}

IOStatus LossyFs::NewDirectory(const std::string& path, const IOOptions&,
                               std::unique_ptr<rocksdb::FSDirectory>* result, IODebugContext*) {
  *result = std::make_unique<LossyDirectory>(this, path);
  return IOStatus::OK();
}

IOStatus LossyFs::DeleteFile(const std::string& path, const IOOptions& io, IODebugContext* debug) {
  const UnderWay under_way(this);
  IOStatus status = Change(Op::kName, path);
  std::optional<std::string> bytes;
  if (IsOfDatabase(path)) bytes = ReadAll(path);
  if (status.ok()) status = target()->DeleteFile(path, io, debug);
  if (!status.ok()) return status;
  absl::MutexLock lock(&mutex_);
  unsynced_.erase(path);
  names_.push_back({path, "", std::move(bytes)});
  return status;
}

IOStatus LossyFs::LinkFile(const std::string& from, const std::string& to, const IOOptions& io,
                           IODebugContext* debug) {
  const UnderWay under_way(this);
  IOStatus status = Change(Op::kName, to);
  if (status.ok()) status = target()->LinkFile(from, to, io, debug);
  if (!status.ok()) return status;
  absl::MutexLock lock(&mutex_);
  names_.push_back({"", to, std::nullopt});
  return status;
}

IOStatus LossyFs::RenameFile(const std::string& from, const std::string& to, const IOOptions& io,
                             IODebugContext* debug) {
  const UnderWay under_way(this);
  IOStatus status = Change(Op::kName, to);
  std::optional<std::string> replaced;
  if (std::filesystem::exists(to)) replaced = ReadAll(to);
  if (status.ok()) status = target()->RenameFile(from, to, io, debug);
  if (!status.ok()) return status;
  absl::MutexLock lock(&mutex_);
  if (const auto writes = unsynced_.find(from); writes != unsynced_.end()) {
    unsynced_[to] = std::move(writes->second);
    unsynced_.erase(from);
  }
  names_.push_back({from, to, std::move(replaced)});
  return status;
}

// ---- After the cut ---------------------------------------------------------------------

void LossyFs::Lose(Loss loss, Random& random) {
  absl::MutexLock lock(&mutex_);
  // What was let in before the cut is done, and noted, by then.
  mutex_.Await(absl::Condition(
      +[](int* under_way) { return *under_way == 0; }, &under_way_));
  changes_left_ = kNever;
  power_ = true;
  fault_.reset();
  if (loss == Loss::kNothing) return;
  for (const auto& [path, writes] : unsynced_) LoseWrites(path, writes, loss, random);
  LoseNames(random);
  unsynced_.clear();
  names_.clear();
}

void LossyFs::LoseNames(Random& random) {
  size_t lost = random.Below(names_.size() + 1);
  for (; lost > 0; --lost, names_.pop_back()) {
    const NameChange& name = names_.back();
    const bool deleted = name.to.empty();
    if (deleted && random.Chance(0.5)) continue;
    if (IsOfDatabase(name.from) || IsOfDatabase(name.to)) Undo(name);
  }
}

void LossyFs::Undo(const NameChange& name) {
  std::error_code error;  // It may have moved on.
  if (name.from.empty()) {
    std::filesystem::remove(name.to, error);
    return;
  }
  if (!name.to.empty()) std::filesystem::rename(name.to, name.from, error);
  if (!name.replaced) return;
  const std::string& lost = name.to.empty() ? name.from : name.to;
  std::ofstream(lost, std::ios::binary | std::ios::trunc) << *name.replaced;
}

void LossyFs::LoseWrites(const std::string& path, const std::vector<Write>& writes, Loss loss,
                         Random& random) {
  if (!std::filesystem::exists(path)) return;
  const std::string now = ReadAll(path);
  std::string old = now;
  for (auto write = writes.rbegin(); write != writes.rend(); ++write) {
    CHECK_LE(write->offset + write->bytes, old.size());
    if (write->old_bytes.size() < write->bytes) old.resize(write->offset + write->old_bytes.size());
    old.replace(write->offset, write->old_bytes.size(), write->old_bytes);
  }
  // A block that is written again with more in it: what it held before is there either way.
  const auto [first, in_old] = std::mismatch(now.begin(), now.end(), old.begin(), old.end());
  const auto low = static_cast<uint64_t>(first - now.begin());
  uint64_t high = now.size();
  while (high > low && high <= old.size() && now[high - 1] == old[high - 1]) --high;
  std::string kept = now;
  if (loss == Loss::kAll || low == high) {
    kept = old;
  } else if (low >= old.size()) {
    // Only grew: a journalling file system makes the length durable behind the data.
    kept.resize(old.size() + random.Below(now.size() - old.size() + 1));
  } else if (loss == Loss::kFlipped) {
    const uint64_t bit = random.Below((high - low) * 8);
    kept[low + bit / 8] = static_cast<char>(kept[low + bit / 8] ^ (1 << (bit % 8)));
  } else {
    old.resize(now.size());
    for (uint64_t at = low / kSectorBytes * kSectorBytes; at < high; at += kSectorBytes) {
      if (random.Chance(0.5)) kept.replace(at, kSectorBytes, old, at, kSectorBytes);
    }
  }
  std::ofstream(path, std::ios::binary | std::ios::trunc) << kept;
}

}  // namespace cairn::testing
