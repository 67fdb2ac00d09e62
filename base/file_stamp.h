// FileStamp: what changes when a file does, be it replaced by another or written anew. Equal
// stamps: the same bytes, as far as the file system tells.
//
// Threads: any.
#pragma once

#include <fmt/format.h>
#include <sys/stat.h>

#include <string>

namespace cairn {

// The same for all files that are not there, and for an empty path.
inline std::string FileStamp(const std::string& path) {
  struct stat about {};
  if (path.empty() || stat(path.c_str(), &about) != 0) about = {};
  return fmt::format("{}/{}/{}.{}", about.st_ino, about.st_size, about.st_mtim.tv_sec,
                     about.st_mtim.tv_nsec);
}

}  // namespace cairn
