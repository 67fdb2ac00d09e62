#include "cli/input.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/status_macros.h"

namespace cairn::cli {
namespace {

constexpr size_t kBufferBytes = size_t{256} << 10;

std::vector<std::string> OrStdin(std::vector<std::string> paths) {
  if (paths.empty()) paths.push_back("-");
  return paths;
}

}  // namespace

Input::Input(std::vector<std::string> paths, const Interrupt& interrupt)
    : paths_(OrStdin(std::move(paths))), interrupt_(interrupt), buffer_(kBufferBytes) {}

Input::~Input() {
  if (fd_ > STDIN_FILENO) ::close(fd_);
}

std::optional<uint64_t> Input::TotalBytes() const {
  uint64_t total_bytes = 0;
  for (const std::string& path : paths_) {
    struct stat info {};
    const int failed = path == "-" ? ::fstat(STDIN_FILENO, &info) : ::stat(path.c_str(), &info);
    if (failed != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
    total_bytes += static_cast<uint64_t>(info.st_size);
  }
  return total_bytes;
}

absl::Status Input::OpenNext() {
  const std::string& path = paths_[next_path_++];
  fd_ = path == "-" ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd_ >= 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("the file {} cannot be opened: {}", path, std::strerror(errno)));
}

absl::StatusOr<std::string_view> Input::Read() {
  if (AtEnd()) return std::string_view();
  if (fd_ < 0) RETURN_IF_ERROR(OpenNext());
  while (true) {
    pollfd waits[] = {{.fd = fd_, .events = POLLIN, .revents = 0},
                      {.fd = interrupt_.fd(), .events = POLLIN, .revents = 0}};
    ::poll(waits, 2, -1);
    if (interrupt_.Requested()) return absl::CancelledError("interrupted");
    const ssize_t got = ::read(fd_, buffer_.data(), buffer_.size());
    if (got > 0) return std::string_view(buffer_.data(), static_cast<size_t>(got));
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) {
      return absl::InvalidArgumentError(fmt::format("the file {} cannot be read: {}",
                                                    paths_[next_path_ - 1], std::strerror(errno)));
    }
    if (fd_ > STDIN_FILENO) ::close(fd_);
    fd_ = -1;
    return std::string_view();
  }
}

}  // namespace cairn::cli
