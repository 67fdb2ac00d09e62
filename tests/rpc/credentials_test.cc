// The parsers of what strangers send, and the root token's file.
#include "server/rpc/credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <string>

#include "server/rpc/root_token.h"
#include "tests/support/temp_dir.h"

namespace cairn::rpc {
namespace {

using ::testing::HasSubstr;

TEST(CredentialsTest, AuthorizationIsBearerAndAToken) {
  EXPECT_EQ(ParseAuthorization("Bearer abc"), "abc");
  EXPECT_EQ(ParseAuthorization("bEARER abc"), "abc");
  EXPECT_EQ(ParseAuthorization("Bearer " + std::string(255, 'x')), std::string(255, 'x'));
  for (const std::string& bad :
       {std::string(), std::string("Bearer"), std::string("Bearer "), std::string("Basic abc"),
        std::string("Bearer a b"), std::string("Bearer  abc"), std::string("Bearer abc\n"),
        std::string("Bearer \xc3\xa9"), std::string("Bearer a\0b", 10), std::string("abc"),
        "Bearer " + std::string(256, 'x'), "Bearer " + std::string(8192, 'x')}) {
    EXPECT_EQ(ParseAuthorization(bad), std::nullopt) << bad.substr(0, 20);
  }
}

TEST(CredentialsTest, ATokenHasAnIdAndASecret) {
  const NewToken drawn = DrawToken();
  const std::string text = drawn.Text();
  const auto parts = ParseToken(text);
  ASSERT_TRUE(parts.has_value()) << text;
  EXPECT_EQ(parts->id, drawn.id);
  EXPECT_EQ(parts->secret, drawn.secret);
  EXPECT_EQ(parts->secret.size(), 64u);
  for (size_t i = 0; i < text.size(); ++i) {
    std::string damaged = text;
    damaged[i] = '!';
    EXPECT_EQ(ParseToken(damaged), std::nullopt) << "at " << i;
    EXPECT_EQ(ParseToken(text.substr(0, i)), std::nullopt);
  }
  EXPECT_EQ(ParseToken(text + "0"), std::nullopt);
  EXPECT_NE(DrawToken().secret, drawn.secret);
}

TEST(CredentialsTest, TheDigestIsSha256) {
  std::string hex;
  for (const char c : Sha256("abc")) {
    char two[3];
    std::snprintf(two, sizeof(two), "%02x", static_cast<unsigned char>(c));
    hex += two;
  }
  EXPECT_EQ(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_TRUE(SameSecret("abc", "abc"));
  EXPECT_FALSE(SameSecret("abc", "abd"));
  EXPECT_FALSE(SameSecret("abc", "ab"));
}

class RootTokenTest : public ::testing::Test {
 protected:
  void Write(const std::string& text, mode_t mode = 0600) {
    std::ofstream(path_, std::ios::trunc) << text;
    ASSERT_EQ(chmod(path_.c_str(), mode), 0);
  }

  testing::TempDir dir_;
  const std::string path_ = dir_.File("root");
  const std::string token_ = std::string(40, 'r');
  RootToken root_{path_};
};

TEST_F(RootTokenTest, FollowsItsFile) {
  EXPECT_FALSE(root_.Is(token_));
  EXPECT_THAT(root_.Trouble(), HasSubstr("cannot be looked at"));
  Write(token_ + "\n");
  EXPECT_TRUE(root_.Is(token_));
  EXPECT_EQ(root_.Trouble(), "");
  const std::string other(41, 's');
  Write(other + "\n");
  EXPECT_FALSE(root_.Is(token_));
  EXPECT_TRUE(root_.Is(other));
  ASSERT_EQ(unlink(path_.c_str()), 0);
  EXPECT_FALSE(root_.Is(other));
}

TEST_F(RootTokenTest, IsNoneWhenOthersMayReadIt) {
  Write(token_ + "\n", 0640);
  EXPECT_FALSE(root_.Is(token_));
  EXPECT_THAT(root_.Trouble(), HasSubstr("has mode 640"));
}

TEST_F(RootTokenTest, IsNoneWhenItIsTooShortToBeASecret) {
  for (const std::string& text : {std::string(), std::string("\n"), std::string(31, 'x'),
                                  std::string(300, 'x'), "two words" + std::string(40, 'x')}) {
    Write(text);
    EXPECT_FALSE(root_.Is(text));
    EXPECT_FALSE(root_.Is(""));
    EXPECT_NE(root_.Trouble(), "");
  }
}

TEST_F(RootTokenTest, ThereIsNoneWithoutAFile) {
  RootToken none("");
  EXPECT_FALSE(none.Is(""));
  EXPECT_EQ(none.Trouble(), "");
}

}  // namespace
}  // namespace cairn::rpc
