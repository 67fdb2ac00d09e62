#include "tests/integration/npm_modules.h"

#include <array>
#include <cstdio>
#include <sstream>

namespace cairn::integration {

std::string FirstLineOf(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "re");
  if (pipe == nullptr) return "";
  std::array<char, 4096> line = {};
  std::string text = fgets(line.data(), line.size(), pipe) == nullptr ? "" : line.data();
  pclose(pipe);
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

// It gives a command the programs of the packages first in its PATH, which are in
// node_modules/.bin.
std::string NpmModules(const std::string& packages) {
  std::string options;
  std::istringstream words(packages);
  for (std::string package; words >> package;) options += " --package=" + package;
  const std::string path =
      FirstLineOf("timeout 90 npm exec --yes" + options + " -- sh -c 'echo \"$PATH\"' 2>/dev/null");
  const std::string bin = path.substr(0, path.find(':'));
  const size_t end = bin.rfind("/.bin");
  return end == std::string::npos ? "" : bin.substr(0, end);
}

}  // namespace cairn::integration
