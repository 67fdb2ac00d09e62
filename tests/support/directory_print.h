// DirectoryPrint: all bytes of all files below a directory, and when they were written, as one text
// by which two moments can be compared.
#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <string>

namespace cairn::testing {

inline std::string DirectoryPrint(const std::string& dir) {
  std::map<std::string, std::string> files;
  for (const auto& item : std::filesystem::recursive_directory_iterator(dir)) {
    std::ostringstream bytes;
    if (item.is_regular_file()) bytes << std::ifstream(item.path(), std::ios::binary).rdbuf();
    files[item.path()] = fmt::format("{} {}", item.last_write_time().time_since_epoch().count(),
                                     std::hash<std::string>()(bytes.str()));
  }
  std::string text;
  for (const auto& [name, print] : files) text += name + " " + print + "\n";
  return text;
}

}  // namespace cairn::testing
