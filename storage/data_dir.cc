#include "storage/data_dir.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "storage/recovery.h"

namespace cairn::storage {
namespace {

constexpr const char* kFormatLine = "cairn data directory, format ";
constexpr const char* kIdentityLine = "cairn node identity, format 1";
// First lines of DAMAGED.
constexpr const char* kKeepLine = "damaged";
constexpr const char* kRebuildLine = "rebuild";
constexpr const char* kCompleteDb = "db.ready";

absl::Status SystemError(const std::string& path, const char* call) {
  const int error = errno;
  const std::string message = fmt::format("{}: {}: {}", path, call, std::strerror(error));
  if (error == ENOSPC) return absl::ResourceExhaustedError(ToAbsl(message));
  if (error == EACCES || error == EPERM) return absl::PermissionDeniedError(ToAbsl(message));
  return absl::UnavailableError(ToAbsl(message));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool ok() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

absl::Status SyncDirectory(const std::string& path) {
  const Descriptor dir(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!dir.ok() || fsync(dir.get()) != 0) return SystemError(path, "fsync");
  return absl::OkStatus();
}

// Whole or not at all, and durable.
absl::Status WriteSmallFile(const std::string& dir, const std::string& path,
                            const std::string& text) {
  const std::string draft = path + ".tmp";
  {
    const Descriptor out(
        open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR));
    if (!out.ok()) return SystemError(draft, "open");
    if (write(out.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
      return SystemError(draft, "write");
    }
    if (fsync(out.get()) != 0) return SystemError(draft, "fsync");
  }
  if (rename(draft.c_str(), path.c_str()) != 0) return SystemError(path, "rename");
  return SyncDirectory(dir);
}

std::string ReadSmallFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

absl::Status Move(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) != 0) return SystemError(from, "rename");
  return absl::OkStatus();
}

// What the checksum of IDENTITY covers: the lines before it.
std::string IdentityText(const std::string& incarnation, const std::string& formed_hex) {
  return fmt::format("{}\n{}\n{}\n", kIdentityLine, incarnation, formed_hex);
}

std::string ChecksumOf(const std::string& text) {
  return fmt::format("{:016x}", XXH3_64bits(text.data(), text.size()));
}

bool Exists(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

// `way_out`: what to do if somebody else has it.
absl::Status LockFile(int fd, const std::string& dir, const char* way_out) {
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) return absl::OkStatus();
  const std::string path = dir + "/LOCK";
  if (errno != EWOULDBLOCK) return SystemError(path, "flock");
  std::string holder = ReadSmallFile(path);
  holder.erase(std::remove(holder.begin(), holder.end(), '\n'), holder.end());
  return absl::FailedPreconditionError(
      ToAbsl(fmt::format("data directory {} is in use by process {}: {}", dir, holder, way_out)));
}

absl::StatusOr<int> TakeLock(const std::string& dir) {
  const std::string path = dir + "/LOCK";
  Descriptor lock(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (!lock.ok()) return SystemError(path, "open");
  RETURN_IF_ERROR(
      LockFile(lock.get(), dir, "stop that process, or give this node a directory of its own"));
  const std::string pid = fmt::format("{}\n", getpid());
  if (ftruncate(lock.get(), 0) != 0 ||
      pwrite(lock.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return SystemError(path, "write");
  }
  return lock.release();
}

}  // namespace

absl::StatusOr<std::unique_ptr<DataDir>> DataDir::Open(const std::string& path, bool create) {
  if (!Exists(path)) {
    if (!create) {
      return absl::NotFoundError(ToAbsl(fmt::format("data directory {} does not exist", path)));
    }
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (error) {
      return absl::FailedPreconditionError(
          ToAbsl(fmt::format("data directory {} cannot be made: {}", path, error.message())));
    }
  }
  if (chmod(path.c_str(), S_IRWXU) != 0) return SystemError(path, "chmod");
  ASSIGN_OR_RETURN(const int lock_fd, TakeLock(path));
  std::unique_ptr<DataDir> dir(new DataDir(path, lock_fd));
  RETURN_IF_ERROR(dir->ReadFormat(create));
  return dir;
}

absl::StatusOr<std::unique_ptr<DataDir>> DataDir::OpenToRead(const std::string& path) {
  const Descriptor dir(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!dir.ok() && errno == ENOENT) {
    return absl::NotFoundError(ToAbsl(fmt::format("data directory {} does not exist", path)));
  }
  if (!dir.ok()) return SystemError(path, "open");
  const std::string lock_path = path + "/LOCK";
  Descriptor lock(open(lock_path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!lock.ok() && errno != ENOENT) return SystemError(lock_path, "open");
  if (lock.ok()) RETURN_IF_ERROR(LockFile(lock.get(), path, "stop that process first"));
  return std::unique_ptr<DataDir>(new DataDir(path, lock.release()));
}

DataDir::~DataDir() {
  if (lock_fd_ >= 0) close(lock_fd_);
}

absl::StatusOr<int> DataDir::FormatVersion() const {
  const std::string file = File("FORMAT");
  if (!Exists(file)) {
    return absl::NotFoundError(ToAbsl(fmt::format("data directory {} holds no store", path_)));
  }
  const std::string text = ReadSmallFile(file);
  int version = 0;
  if (text.starts_with(kFormatLine) &&
      std::sscanf(text.c_str() + std::strlen(kFormatLine), "%d", &version) == 1 && version >= 1) {
    return version;
  }
  return absl::DataLossError(ToAbsl(fmt::format(
      "{} is damaged: it should read \"{}{}\". If the rest of the directory is intact, write "
      "that line back; otherwise give the node's place to a new one with cairn cluster replace",
      file, kFormatLine, kDirectoryFormat)));
}

absl::Status DataDir::CheckVersion(int version) const {
  if (version <= kDirectoryFormat) return absl::OkStatus();
  return absl::FailedPreconditionError(ToAbsl(fmt::format(
      "data directory {} has format {} by its file FORMAT, and this program knows formats up to "
      "{}: use the newer program that wrote it, or choose another directory",
      path_, version, kDirectoryFormat)));
}

absl::Status DataDir::Publish(const std::string& draft, const std::string& path) {
  RETURN_IF_ERROR(SyncDirectory(draft));
  RETURN_IF_ERROR(Move(draft, path));
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return SyncDirectory(parent.empty() ? "." : parent);
}

absl::Status DataDir::ReadFormat(bool create) {
  const absl::StatusOr<int> version = FormatVersion();
  if (version.ok()) return CheckVersion(*version);
  if (absl::IsNotFound(version.status())) {
    if (!create) return version.status();
    is_new_ = true;
    return CheckNothingForeign();
  }
  if (LoadIdentity().ok()) return FinishCreation();  // Its title names the format, too.
  return version.status();
}

absl::Status DataDir::CheckNothingForeign() const {
  // What an interrupted creation may have left, and what file systems put everywhere.
  constexpr std::array<std::string_view, 11> kOurs = {
      "LOCK", "MARK",    "FORMAT.tmp", "VERDICT",    "IDENTITY", "IDENTITY.tmp",
      "db",   "BALLAST", "wal-pool",   "lost+found", kRuns};
  std::error_code error;
  for (const auto& item : std::filesystem::directory_iterator(path_, error)) {
    const std::string name = item.path().filename().string();
    if (std::find(kOurs.begin(), kOurs.end(), name) != kOurs.end()) continue;
    return absl::FailedPreconditionError(ToAbsl(fmt::format(
        "data directory {} is not empty and holds no store (there is \"{}\"): choose an empty "
        "directory",
        path_, name)));
  }
  return absl::OkStatus();
}

std::string DataDir::FormatText() { return fmt::format("{}{}\n", kFormatLine, kDirectoryFormat); }

absl::Status DataDir::FinishCreation() {
  RETURN_IF_ERROR(WriteSmallFile(path_, File("FORMAT"), FormatText()));
  is_new_ = false;
  return absl::OkStatus();
}

RecoveryVerdict DataDir::StoredVerdict() const {
  if (!Exists(File("VERDICT"))) return RecoveryVerdict::kSound;
  const std::string text = ReadSmallFile(File("VERDICT"));
  const bool ambiguous = text.starts_with(ToString(RecoveryVerdict::kAmbiguous));
  return ambiguous ? RecoveryVerdict::kAmbiguous : RecoveryVerdict::kLost;
}

absl::Status DataDir::StoreVerdict(RecoveryVerdict verdict, const std::string& detail) {
  return WriteSmallFile(path_, File("VERDICT"), fmt::format("{}\n{}\n", ToString(verdict), detail));
}

absl::Status DataDir::ClearVerdict() { return Unlink("VERDICT"); }

absl::Status DataDir::Unlink(const char* name) {
  const std::string file = File(name);
  if (unlink(file.c_str()) != 0 && errno != ENOENT) return SystemError(file, "unlink");
  return SyncDirectory(path_);
}

// ---- Who this node is -----------------------------------------------------------------------

absl::StatusOr<NodeIdentity> DataDir::LoadIdentity() const {
  std::istringstream in(ReadSmallFile(File("IDENTITY")));
  std::string title;
  std::string incarnation;
  std::string formed;
  std::string checksum;
  std::getline(in, title);
  std::getline(in, incarnation);
  std::getline(in, formed);
  std::getline(in, checksum);
  const std::string text = IdentityText(incarnation, formed);
  uint64_t number = 0;
  if (title != kIdentityLine || checksum != ChecksumOf(text) ||
      !absl::SimpleHexAtoi(ToAbsl(incarnation), &number)) {
    return absl::DataLossError(ToAbsl(fmt::format(
        "{} is missing or damaged: the node's incarnation cannot be read", File("IDENTITY"))));
  }
  return NodeIdentity{number, absl::HexStringToBytes(ToAbsl(formed))};
}

absl::Status DataDir::StoreIdentity(const NodeIdentity& identity) {
  const absl::StatusOr<NodeIdentity> there = LoadIdentity();
  if (there.ok() && *there == identity) return absl::OkStatus();
  const std::string text = IdentityText(fmt::format("{:016x}", identity.incarnation),
                                        absl::BytesToHexString(ToAbsl(identity.formed)));
  return WriteSmallFile(path_, File("IDENTITY"), fmt::format("{}{}\n", text, ChecksumOf(text)));
}

// ---- A database that has to be rebuilt ------------------------------------------------------

DataDir::Damage DataDir::NotedDamage() const {
  std::istringstream in(ReadSmallFile(File("DAMAGED")));
  std::string order;
  Damage damage;
  std::getline(in, order);
  std::getline(in, damage.detail);
  damage.rebuild = order == kRebuildLine;
  return damage;
}

absl::Status DataDir::NoteDamage(const Damage& damage) {
  std::string line = damage.detail;
  std::replace(line.begin(), line.end(), '\n', ' ');
  return WriteSmallFile(path_, File("DAMAGED"),
                        fmt::format("{}\n{}\n", damage.rebuild ? kRebuildLine : kKeepLine, line));
}

absl::Status DataDir::ClearDamageNote() { return Unlink("DAMAGED"); }

absl::Status DataDir::PutInPlace() {
  RETURN_IF_ERROR(SyncDirectory(File(kRebuiltDb)));
  RETURN_IF_ERROR(Move(File(kRebuiltDb), File(kCompleteDb)));
  RETURN_IF_ERROR(SyncDirectory(path_));
  return FinishMove();
}

absl::Status DataDir::FinishMove() {
  if (Exists(File("db"))) {
    const std::string kept = File("damaged") + "/db";
    std::error_code error;
    std::filesystem::remove_all(kept, error);
    if (!error) std::filesystem::create_directories(File("damaged"), error);
    if (error) return absl::UnavailableError(ToAbsl(fmt::format("{}: {}", kept, error.message())));
    RETURN_IF_ERROR(Move(File("db"), kept));
    RETURN_IF_ERROR(SyncDirectory(File("damaged")));
  }
  RETURN_IF_ERROR(Move(File(kCompleteDb), File("db")));
  RETURN_IF_ERROR(SyncDirectory(path_));
  return ClearDamageNote();
}

absl::Status DataDir::OpenLeftovers() {
  for (const char* name : {kRebuiltDb, kRuns}) {
    std::error_code error;
    std::filesystem::remove_all(File(name), error);
    if (error) {
      return absl::UnavailableError(ToAbsl(fmt::format("{}: {}", File(name), error.message())));
    }
  }
  return Exists(File(kCompleteDb)) ? FinishMove() : absl::OkStatus();
}

}  // namespace cairn::storage
