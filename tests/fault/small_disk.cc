#include "tests/fault/small_disk.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::fault {
namespace {

namespace fs = std::filesystem;

absl::Status Failed(std::string_view what) {
  return absl::UnavailableError(ToAbsl(fmt::format("{}: {}", what, std::strerror(errno))));
}

void CopyContents(const std::string& from, const std::string& to) {
  fs::copy(from, to, fs::copy_options::recursive | fs::copy_options::overwrite_existing);
}

std::string SizeOption(uint64_t bytes) { return fmt::format("size={}", bytes); }

absl::Status Mount(const std::string& path, unsigned long flags, const std::string& options) {
  if (mount("none", path.c_str(), "tmpfs", flags, options.c_str()) != 0) return Failed("tmpfs");
  return absl::OkStatus();
}

}  // namespace

absl::Status EnterMountNamespace() {
  if (unshare(CLONE_NEWNS) != 0) return Failed("making a mount namespace");
  // What is mounted from here on stays here.
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return Failed("mounts");
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<SmallDisk>> SmallDisk::Put(const std::string& path, uint64_t bytes) {
  const std::string aside = path + ".aside";
  fs::rename(path, aside);
  fs::create_directory(path);
  const absl::Status mounted = Mount(path, 0, SizeOption(bytes));
  if (!mounted.ok()) {
    fs::remove(path);
    fs::rename(aside, path);
    return mounted;
  }
  CopyContents(aside, path);
  fs::remove_all(aside);
  return std::unique_ptr<SmallDisk>(new SmallDisk(path));
}

SmallDisk::~SmallDisk() {
  const std::string aside = path_ + ".aside";
  fs::create_directory(aside);
  CopyContents(path_, aside);
  CHECK_EQ(umount(path_.c_str()), 0);
  fs::remove(path_);
  fs::rename(aside, path_);
}

absl::Status SmallDisk::Resize(uint64_t bytes) {
  return Mount(path_, MS_REMOUNT, SizeOption(bytes));
}

absl::Status SmallDisk::LimitFiles(uint64_t files) {
  return Mount(path_, MS_REMOUNT, fmt::format("nr_inodes={}", files));
}

uint64_t SmallDisk::UsedBytes() const {
  struct statvfs about {};
  CHECK_EQ(statvfs(path_.c_str(), &about), 0);
  return (about.f_blocks - about.f_bfree) * about.f_frsize;
}

}  // namespace cairn::fault
