#include "storage/space_guard.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/strings.h"

namespace cairn::storage {
namespace {

constexpr int64_t kLookPeriodUs = 100 * kMicrosPerMilli;

}  // namespace

SpaceGuard::SpaceGuard(Options options) : options_(std::move(options)) {
  CHECK(options_.clock != nullptr);
}

uint64_t SpaceGuard::FreeBytes() const {
  if (options_.free_bytes) return options_.free_bytes();
  struct statvfs stat {};
  // A directory that cannot be looked at is no reason to refuse appends: the next write
  // finds out.
  if (statvfs(options_.dir.c_str(), &stat) != 0) return ~uint64_t{0};
  return static_cast<uint64_t>(stat.f_bavail) * stat.f_frsize;
}

Room SpaceGuard::FreeRoom() const {
  const MonoMicros now = options_.clock->Mono();
  MonoMicros due = next_look_us_.load(std::memory_order_relaxed);
  // Of the threads that find it due, one looks.
  if (now >= due && next_look_us_.compare_exchange_strong(due, now + kLookPeriodUs)) {
    const uint64_t free = FreeBytes();
    room_.store(free >= options_.watermark_bytes       ? Room::kEnough
                : free >= options_.watermark_bytes / 2 ? Room::kLow
                                                       : Room::kNone,
                std::memory_order_relaxed);
  }
  return room_.load(std::memory_order_relaxed);
}

absl::Status SpaceGuard::Upkeep() {
  if (options_.ballast_bytes == 0) return absl::OkStatus();
  const uint64_t free = FreeBytes();
  const bool there = access(options_.ballast_path.c_str(), F_OK) == 0;
  if (there && free < options_.watermark_bytes / 4) {
    if (unlink(options_.ballast_path.c_str()) != 0) {
      return absl::UnavailableError(
          ToAbsl(fmt::format("{}: unlink: {}", options_.ballast_path, std::strerror(errno))));
    }
  } else if (!there && free > options_.watermark_bytes + options_.ballast_bytes) {
    return MakeBallast();
  }
  return absl::OkStatus();
}

absl::Status SpaceGuard::MakeBallast() const {
  const char* path = options_.ballast_path.c_str();
  const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
  int error = fd < 0 ? errno : 0;
  if (fd >= 0) {
    error = posix_fallocate(fd, 0, static_cast<off_t>(options_.ballast_bytes));
    close(fd);
  }
  if (error == 0) return absl::OkStatus();
  unlink(path);
  // Somebody else took the room in between: try again when it is back.
  if (error == ENOSPC) return absl::OkStatus();
  return absl::UnavailableError(ToAbsl(fmt::format("{}: {}", path, std::strerror(error))));
}

}  // namespace cairn::storage
