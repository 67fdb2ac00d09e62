#include "client/src/token_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/temp_dir.h"

namespace cairn::client {
namespace {

TEST(TokenFileTest, AChangedFileIsReadAgainWithinASecond) {
  const testing::TempDir dir;
  const std::string path = dir.File("token");
  std::ofstream(path) << "first\n";
  TokenFile token(path, ReadToken(path));
  MonoMicros now_us = kMicrosPerSecond;
  EXPECT_EQ(token.Current(now_us), "first");

  std::ofstream(path) << "the second\n";
  EXPECT_EQ(token.Current(now_us), "first") << "one look a second";
  EXPECT_EQ(token.Current(now_us += kMicrosPerSecond), "the") << "the first word";

  std::ofstream(path, std::ios::trunc).close();
  EXPECT_EQ(token.Current(now_us += kMicrosPerSecond), "the") << "somebody is writing it";
  std::filesystem::remove(path);
  EXPECT_EQ(token.Current(now_us += kMicrosPerSecond), "the");
  std::ofstream(path) << "third";
  EXPECT_EQ(token.Current(now_us += kMicrosPerSecond), "third");
}

TEST(TokenFileTest, WithoutAFileTheTokenStays) {
  TokenFile token("", "given");
  EXPECT_EQ(token.Current(kMicrosPerSecond), "given");
  EXPECT_EQ(TokenFile("", "").Current(kMicrosPerSecond), "");
  EXPECT_EQ(ReadToken("/nowhere"), "");
}

}  // namespace
}  // namespace cairn::client
