// Each script under tests/golden/role is one test; see tests/adapter/role_script.h.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/adapter/role_script.h"

namespace cairn::adapter {
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

class RoleGoldenTest : public testing::TestWithParam<std::string> {};

TEST_P(RoleGoldenTest, SaysWhatTheScriptSays) {
  const auto path = std::filesystem::path(CAIRN_GOLDEN_DIR) / (GetParam() + ".txt");
  const std::string expected = ReadFile(path);
  ASSERT_EQ(expected.substr(0, 2), "# ") << "a script opens with its story";
  const std::string actual = RunRoleScript(expected);
  EXPECT_EQ(actual.find("unknown command"), std::string::npos);
  if (std::getenv("CAIRN_REWRITE") != nullptr) {
    std::ofstream(path, std::ios::binary) << actual;
    return;
  }
  EXPECT_EQ(actual, expected);
}

INSTANTIATE_TEST_SUITE_P(Scripts, RoleGoldenTest, testing::ValuesIn(ScriptNames()),
                         [](const auto& script) { return script.param; });

}  // namespace
}  // namespace cairn::adapter
