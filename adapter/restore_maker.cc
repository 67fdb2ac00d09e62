#include "adapter/restore_maker.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "base/status_macros.h"

namespace cairn::adapter {

namespace fs = std::filesystem;

absl::Status SyncPath(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = fd >= 0 && fsync(fd) == 0;
  const int error = errno;
  if (fd >= 0) close(fd);
  if (synced) return absl::OkStatus();
  return absl::UnavailableError(fmt::format("{}: {}", path, std::strerror(error)));
}

absl::Status MoveSynced(const std::string& from, const std::string& to) {
  const std::string parent = fs::path(to).parent_path().string();
  const std::string beside = to + ".part";
  std::error_code error;
  if (fs::exists(to, error)) return absl::AlreadyExistsError(fmt::format("{} is there", to));
  fs::rename(from, beside, error);
  // Another file system.
  if (error) fs::copy_file(from, beside, fs::copy_options::overwrite_existing, error);
  if (!error) fs::permissions(beside, fs::perms::owner_read | fs::perms::owner_write, error);
  if (error) return absl::UnavailableError(fmt::format("{}: {}", beside, error.message()));
  RETURN_IF_ERROR(SyncPath(beside));
  fs::rename(beside, to, error);
  if (error) return absl::UnavailableError(fmt::format("{}: {}", to, error.message()));
  return SyncPath(parent.empty() ? "." : parent);
}

}  // namespace cairn::adapter
