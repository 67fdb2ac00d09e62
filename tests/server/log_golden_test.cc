// Each script under tests/golden/log is one test; see tests/support/log_script.h.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/log_script.h"

namespace cairn::server {
namespace {

std::vector<std::string> ScriptNames() {
  std::vector<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(CAIRN_GOLDEN_DIR)) {
    if (file.path().extension() == ".txt") names.push_back(file.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

class LogGoldenTest : public testing::TestWithParam<std::string> {};

TEST_P(LogGoldenTest, SaysWhatTheScriptSays) {
  const auto path = std::filesystem::path(CAIRN_GOLDEN_DIR) / (GetParam() + ".txt");
  const std::string expected = ReadFile(path);
  ASSERT_EQ(expected.substr(0, 2), "# ") << "a script opens with its story";
  const std::string actual = RunLogScript(expected);
  if (std::getenv("CAIRN_REWRITE") != nullptr) {
    std::ofstream(path, std::ios::binary) << actual;
    return;
  }
  EXPECT_EQ(actual, expected);
}

INSTANTIATE_TEST_SUITE_P(Scripts, LogGoldenTest, testing::ValuesIn(ScriptNames()),
                         [](const auto& script) { return script.param; });

}  // namespace
}  // namespace cairn::server
