#include "storage/objects/file_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "base/check.h"
#include "base/fd.h"
#include "base/status_macros.h"

namespace cairn::objects {
namespace {

constexpr size_t kBlockBytes = size_t{1} << 20;
constexpr std::string_view kPartSuffix = ".part";
// A Put whose directory is removed by a Delete of its last object at the same time makes it anew.
constexpr int kDirectoryAttempts = 8;

absl::Status FromErrno(int error, std::string_view what, std::string_view path) {
  const std::string message =
      fmt::format("object store: {} {}: {}", what, path, std::strerror(error));
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(message);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(message);
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return absl::ResourceExhaustedError(message + "; make room there, nothing was stored");
    case ENAMETOOLONG:
      return absl::InvalidArgumentError(message);
    case EIO:
      return absl::DataLossError(message);
    default:
      return absl::UnavailableError(message);
  }
}

WallMicros ModifiedUs(const struct stat& info) {
  return info.st_mtim.tv_sec * kMicrosPerSecond + info.st_mtim.tv_nsec / 1000;
}

bool IsPart(std::string_view name) { return name.starts_with('.') && name.ends_with(kPartSuffix); }

std::string ParentOf(const std::string& path) { return path.substr(0, path.rfind('/')); }

absl::Status SyncDirectory(const std::string& path) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0) return FromErrno(errno, "open", path);
  if (fsync(fd.get()) != 0) return FromErrno(errno, "sync", path);
  return absl::OkStatus();
}

// Another Put must not have the same name, in this process or on another machine.
uint64_t RandomNumber() {
  uint64_t number = 0;
  CHECK_EQ(getrandom(&number, sizeof(number), 0), static_cast<ssize_t>(sizeof(number)));
  return number;
}

absl::Status WriteAll(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return FromErrno(errno, "write", path);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

// Calls `visit(path, name, stat)` for each entry that is a plain file, in all directories below.
// One that vanishes meanwhile is passed over.
template <class Visit>
absl::Status Walk(const std::string& directory, const Visit& visit) {
  DIR* const opened = opendir(directory.c_str());
  if (opened == nullptr) {
    return errno == ENOENT ? absl::OkStatus() : FromErrno(errno, "open", directory);
  }
  const absl::Cleanup close = [opened] { closedir(opened); };
  for (;;) {
    errno = 0;
    const dirent* const entry = readdir(opened);
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    const std::string path = fmt::format("{}/{}", directory, name);
    struct stat info = {};
    if (lstat(path.c_str(), &info) != 0) continue;
    if (S_ISDIR(info.st_mode) && !name.starts_with('.')) {
      RETURN_IF_ERROR(Walk(path, visit));
    } else if (S_ISREG(info.st_mode)) {
      RETURN_IF_ERROR(visit(path, name, info));
    }
  }
  return errno == 0 ? absl::OkStatus() : FromErrno(errno, "read", directory);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ObjectStore>> FileStore::Open(const FileStoreUrl& url) {
  struct stat info = {};
  if (stat(url.directory.c_str(), &info) != 0) {
    return Annotate(FromErrno(errno, "open", url.directory),
                    "make the directory, or mount the disk that holds it");
  }
  if (!S_ISDIR(info.st_mode)) {
    return absl::NotFoundError(fmt::format("object store: {} is not a directory", url.directory));
  }
  if (access(url.directory.c_str(), R_OK | W_OK | X_OK) != 0) {
    return FromErrno(errno, "write into", url.directory);
  }
  return std::unique_ptr<ObjectStore>(new FileStore(url.directory));
}

FileStore::FileStore(std::string directory)
    : directory_(std::move(directory)), url_("file://" + PercentEncode(directory_, true)) {}

std::string FileStore::PathOf(std::string_view key) const {
  return fmt::format("{}/{}", directory_, key);
}

absl::Status FileStore::CheckUsable(std::string_view key) const {
  if (stopped_) return absl::CancelledError("object store: stopped");
  if (std::string wrong = CheckKey(key); !wrong.empty()) {
    return absl::InvalidArgumentError("object store: " + wrong);
  }
  return absl::OkStatus();
}

absl::Status FileStore::MakeDirectories(std::string_view key) {
  for (size_t at = key.find('/'); at != std::string_view::npos; at = key.find('/', at + 1)) {
    const std::string path = PathOf(key.substr(0, at));
    if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
      return FromErrno(errno, "make directory", path);
    }
    // One that was there may be of a process that died before it came here.
    RETURN_IF_ERROR(SyncDirectory(ParentOf(path)));
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> FileStore::WriteWhole(int fd, std::string_view key, Source source) {
  const std::unique_ptr<char[]> block(new char[kBlockBytes]);
  uint64_t bytes = 0;
  for (;;) {
    if (stopped_) return absl::CancelledError("object store: stopped");
    ASSIGN_OR_RETURN(const size_t filled, source(block.get(), kBlockBytes));
    CHECK_LE(filled, kBlockBytes);
    if (filled == 0) break;
    RETURN_IF_ERROR(WriteAll(fd, {block.get(), filled}, PathOf(key)));
    bytes += filled;
  }
  if (fsync(fd) != 0) return FromErrno(errno, "sync", PathOf(key));
  return bytes;
}

absl::StatusOr<uint64_t> FileStore::Put(std::string_view key, Source source) {
  RETURN_IF_ERROR(CheckUsable(key));
  const std::string path = PathOf(key);
  const std::string parent = ParentOf(path);
  const std::string part = fmt::format("{}/.{}.{:016x}{}", parent, path.substr(parent.size() + 1),
                                       RandomNumber(), kPartSuffix);
  int opened = -1;
  for (int attempt = 0; opened < 0; ++attempt) {
    RETURN_IF_ERROR(MakeDirectories(key));
    opened = open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (opened < 0 && (errno != ENOENT || attempt == kDirectoryAttempts)) {
      return FromErrno(errno, "create", part);
    }
  }
  Fd fd(opened);
  absl::Cleanup remove = [&part] { unlink(part.c_str()); };
  ASSIGN_OR_RETURN(const uint64_t bytes, WriteWhole(fd.get(), key, source));
  if (close(fd.Release()) != 0) return FromErrno(errno, "close", part);
  if (rename(part.c_str(), path.c_str()) != 0) return FromErrno(errno, "rename to", path);
  std::move(remove).Cancel();
  RETURN_IF_ERROR(SyncDirectory(parent));
  return bytes;
}

absl::StatusOr<int> FileStore::OpenForReading(std::string_view key, StoredObject* object) const {
  RETURN_IF_ERROR(CheckUsable(key));
  const std::string path = PathOf(key);
  // O_NONBLOCK: a pipe that somebody put there must not hold us.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return FromErrno(errno, "open", path);
  struct stat info = {};
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(fd);
    return absl::NotFoundError(fmt::format("object store: {} is not a plain file", path));
  }
  *object = {std::string(key), static_cast<uint64_t>(info.st_size), ModifiedUs(info)};
  return fd;
}

absl::Status FileStore::Get(std::string_view key, Sink sink) {
  StoredObject object;
  ASSIGN_OR_RETURN(const int opened, OpenForReading(key, &object));
  const Fd fd(opened);
  const std::unique_ptr<char[]> block(new char[kBlockBytes]);
  uint64_t bytes = 0;
  for (;;) {
    if (stopped_) return absl::CancelledError("object store: stopped");
    const ssize_t filled = read(fd.get(), block.get(), kBlockBytes);
    if (filled < 0 && errno == EINTR) continue;
    if (filled < 0) return FromErrno(errno, "read", PathOf(key));
    if (filled == 0) break;
    bytes += static_cast<uint64_t>(filled);
    RETURN_IF_ERROR(sink({block.get(), static_cast<size_t>(filled)}));
  }
  if (bytes == object.bytes) return absl::OkStatus();
  return absl::DataLossError(fmt::format("object store: {} had {} bytes when opened, {} were read",
                                         PathOf(key), object.bytes, bytes));
}

absl::StatusOr<StoredObject> FileStore::Head(std::string_view key) {
  StoredObject object;
  ASSIGN_OR_RETURN(const int opened, OpenForReading(key, &object));
  close(opened);
  return object;
}

absl::StatusOr<std::vector<StoredObject>> FileStore::List(std::string_view prefix) {
  if (stopped_) return absl::CancelledError("object store: stopped");
  // What stands before the prefix's last slash is a directory: only what is below it is walked.
  const size_t slash = prefix.rfind('/');
  std::string start = directory_;
  if (slash != std::string_view::npos) {
    if (!CheckKey(prefix.substr(0, slash)).empty()) return std::vector<StoredObject>();
    start = PathOf(prefix.substr(0, slash));
  }
  std::vector<StoredObject> objects;
  const auto visit = [&](const std::string& path, std::string_view, const struct stat& info) {
    std::string key = path.substr(directory_.size() + 1);
    if (!key.starts_with(prefix) || !CheckKey(key).empty()) return absl::OkStatus();
    if (objects.size() == kMaxListedObjects) {
      return absl::ResourceExhaustedError(
          fmt::format("object store: more than {} objects in {}", kMaxListedObjects, directory_));
    }
    objects.push_back({std::move(key), static_cast<uint64_t>(info.st_size), ModifiedUs(info)});
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(Walk(start, visit));
  std::sort(objects.begin(), objects.end(),
            [](const StoredObject& a, const StoredObject& b) { return a.key < b.key; });
  return objects;
}

absl::Status FileStore::Delete(std::string_view key) {
  RETURN_IF_ERROR(CheckUsable(key));
  std::string path = PathOf(key);
  if (unlink(path.c_str()) != 0) {
    return errno == ENOENT || errno == ENOTDIR ? absl::OkStatus()
                                               : FromErrno(errno, "remove", path);
  }
  // Directories that are empty now go too; the first that stays is the one whose entries changed.
  do {
    path = ParentOf(path);
  } while (path != directory_ && rmdir(path.c_str()) == 0);
  const absl::Status synced = SyncDirectory(path);
  return absl::IsNotFound(synced) ? absl::OkStatus() : synced;
}

absl::StatusOr<uint64_t> FileStore::RemoveUnfinished(WallMicros older_than_us) {
  if (stopped_) return absl::CancelledError("object store: stopped");
  uint64_t removed = 0;
  const auto visit = [&](const std::string& path, std::string_view name, const struct stat& info) {
    if (!IsPart(name) || ModifiedUs(info) >= older_than_us) return absl::OkStatus();
    if (unlink(path.c_str()) != 0) {
      return errno == ENOENT ? absl::OkStatus() : FromErrno(errno, "remove", path);
    }
    ++removed;
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(Walk(directory_, visit));
  return removed;
}

}  // namespace cairn::objects
