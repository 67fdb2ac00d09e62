#include "server/runtime/audit_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/time/time.h"
#include "base/strings.h"

namespace cairn::server {
namespace {

constexpr mode_t kMode = 0600;

bool IsSameFile(int fd, const std::string& path) {
  struct stat open;
  struct stat named;
  return fstat(fd, &open) == 0 && stat(path.c_str(), &named) == 0 && open.st_dev == named.st_dev &&
         open.st_ino == named.st_ino;
}

}  // namespace

AuditLog::AuditLog(std::string node, std::string path, const Clock* clock)
    : node_(std::move(node)), path_(std::move(path)), clock_(clock) {}

AuditLog::~AuditLog() {
  absl::MutexLock lock(&mutex_);
  if (fd_ >= 0) close(fd_);
}

absl::Status AuditLog::Open() {
  if (path_.empty()) return absl::OkStatus();
  absl::MutexLock lock(&mutex_);
  const std::string wrong = Reopen();
  if (wrong.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(ToAbsl(
      fmt::format("option audit-file is {}, {}: expected a file that this process may append to",
                  path_, wrong)));
}

void AuditLog::Write(const AuditEntry& entry) {
  absl::MutexLock lock(&mutex_);
  Put(Line(entry, 0));
}

void AuditLog::WriteRefusedLogin(const AuditEntry& entry) {
  absl::MutexLock lock(&mutex_);
  const int64_t now = clock_->Wall() / kMicrosPerSecond;
  if (now != std::exchange(second_, now)) logins_ = 0;
  if (logins_ >= kRefusedLoginsPerSecond) {
    ++omitted_;
    return;
  }
  ++logins_;
  Put(Line(entry, std::exchange(omitted_, 0)));
}

std::string AuditLog::Line(const AuditEntry& entry, uint64_t omitted) const {
  nlohmann::ordered_json line;
  line["time"] = absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", absl::FromUnixMicros(clock_->Wall()),
                                  absl::UTCTimeZone());
  line["node"] = node_;
  line["request_id"] = entry.request_id;
  line["principal"] = entry.principal;
  line["address"] = entry.address;
  line["method"] = entry.method;
  line["log"] = entry.log;
  line["outcome"] = entry.outcome;
  line["message"] = entry.message;
  if (omitted > 0) line["omitted"] = omitted;
  return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

void AuditLog::Put(const std::string& line) {
  if (path_.empty()) {
    spdlog::info("audit {}", line);
    return;
  }
  const std::string wrong = WriteToFile(line + "\n");
  if (!wrong.empty()) spdlog::error("the audit file {} lacks a line, {}: {}", path_, wrong, line);
}

std::string AuditLog::Reopen() {
  if (fd_ >= 0) close(fd_);
  fd_ = open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, kMode);
  return fd_ >= 0 ? "" : std::string(std::strerror(errno));
}

std::string AuditLog::WriteToFile(const std::string& line) {
  if (fd_ < 0 || !IsSameFile(fd_, path_)) {
    if (std::string wrong = Reopen(); !wrong.empty()) return wrong;
  }
  const ssize_t written = write(fd_, line.data(), line.size());
  if (written == static_cast<ssize_t>(line.size())) return "";
  return written < 0 ? std::string(std::strerror(errno))
                     : fmt::format("only {} of {} bytes were taken", written, line.size());
}

}  // namespace cairn::server
