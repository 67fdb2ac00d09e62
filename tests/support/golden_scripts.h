// Golden scripts: files that hold what a pure machine is told and what it answers, each one a test.
//
//   script ──Run──► the same script, with the answers that the machine gives now ──► equal?
//
// With CAIRN_REWRITE in the environment the file is written anew instead; the difference is then
// for people to read, and needs a sentence in the commit.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace cairn::testing {

// Of the scripts in the directory, without ".txt", sorted.
inline std::vector<std::string> ScriptNames(const std::string& dir) {
  std::vector<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(dir)) {
    if (file.path().extension() == ".txt") names.push_back(file.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

inline void ExpectScript(const std::string& dir, const std::string& name,
                         std::string (*run)(const std::string& script)) {
  const auto path = std::filesystem::path(dir) / (name + ".txt");
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  const std::string expected = text.str();
  ASSERT_EQ(expected.substr(0, 2), "# ") << "a script opens with its story";
  const std::string actual = run(expected);
  EXPECT_EQ(actual.find("unknown command"), std::string::npos);
  if (std::getenv("CAIRN_REWRITE") != nullptr) {
    std::ofstream(path, std::ios::binary) << actual;
    return;
  }
  EXPECT_EQ(actual, expected);
}

}  // namespace cairn::testing
