#include "adapter/agent_identity.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <random>

#include "base/strings.h"

namespace cairn::adapter {
namespace {

constexpr size_t kNameDigits = 32;

absl::Status SystemError(const std::string& what) {
  return absl::UnavailableError(ToAbsl(fmt::format("{}: {}", what, std::strerror(errno))));
}

// The file of the lock holds the name: written once, in one piece, before the agent does anything.
absl::StatusOr<std::string> ReadOrMakeName(int file, const std::string& path) {
  std::array<char, kNameDigits> digits;
  const ssize_t bytes = pread(file, digits.data(), digits.size(), 0);
  if (bytes == static_cast<ssize_t>(digits.size())) {
    return std::string(digits.data(), digits.size());
  }
  if (bytes < 0) return SystemError("reading " + path);
  const std::string name = RandomName();
  const bool written = pwrite(file, name.data(), name.size(), 0) == ssize_t(name.size());
  if (!written || fsync(file) != 0) return SystemError("writing " + path);
  return name;
}

}  // namespace

std::string RandomName() {
  std::random_device random;
  std::string name;
  while (name.size() < kNameDigits) name += fmt::format("{:08x}", random());
  return name;
}

absl::StatusOr<std::unique_ptr<AgentIdentity>> AgentIdentity::Open(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error || chmod(directory.c_str(), S_IRWXU) != 0) {
    return SystemError("data directory " + directory);
  }
  const std::string path = directory + "/agent-id";
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (file < 0) return SystemError("opening " + path);
  std::unique_ptr<AgentIdentity> identity(new AgentIdentity(file));
  if (flock(file, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return SystemError("locking " + path);
    return absl::FailedPreconditionError(
        ToAbsl(fmt::format("another agent runs in the data directory {}", directory)));
  }
  absl::StatusOr<std::string> name = ReadOrMakeName(file, path);
  if (!name.ok()) return name.status();
  identity->agent_id_ = *std::move(name);
  identity->incarnation_ = RandomName();
  return identity;
}

AgentIdentity::~AgentIdentity() { close(lock_); }

}  // namespace cairn::adapter
