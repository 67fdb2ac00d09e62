#include "cli/resp_decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cairn::cli {
namespace {

using ::testing::ElementsAre;

std::vector<RespCommand> Decode(const std::vector<std::string>& pieces) {
  RespDecoder decoder;
  std::vector<RespCommand> commands;
  for (const std::string& piece : pieces) EXPECT_TRUE(decoder.Feed(piece, commands).ok());
  EXPECT_EQ(decoder.pending_bytes(), 0u);
  return commands;
}

TEST(RespDecoderTest, CommandsMayReachOverTheEndsOfRecords) {
  const std::string stream =
      "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\r\nb\r\n"
      "PING  now\r\n\r\n*0\r\n"
      "*2\r\n$3\r\nDEL\r\n$0\r\n\r\n";
  const std::vector<RespCommand> want = {{"SET", "k", "a\r\nb"}, {"PING", "now"}, {"DEL", ""}};
  for (size_t at = 0; at <= stream.size(); ++at) {
    SCOPED_TRACE(at);
    EXPECT_EQ(Decode({stream.substr(0, at), stream.substr(at)}), want);
  }
}

TEST(RespDecoderTest, AForeignRecordDoesNotHideTheNext) {
  for (const char* foreign :
       {"*1\r\n:5\r\n", "*x\r\n", "*1\r\n$-7\r\n", "*1\r\n$99999999999\r\n"}) {
    SCOPED_TRACE(foreign);
    RespDecoder decoder;
    std::vector<RespCommand> commands;
    EXPECT_EQ(decoder.Feed(foreign, commands).code(), absl::StatusCode::kInvalidArgument);
    ASSERT_TRUE(decoder.Feed("*1\r\n$4\r\nPING\r\n", commands).ok());
    EXPECT_THAT(commands, ElementsAre(RespCommand{"PING"}));
  }
}

TEST(RespDecoderTest, PrintsACommandAsRedisCliTakesIt) {
  EXPECT_EQ(FormatRespCommand({"SET", "k", "v"}), "SET k v");
  EXPECT_EQ(FormatRespCommand({"SET", "a b", ""}), "SET \"a b\" \"\"");
  EXPECT_EQ(FormatRespCommand({"SET", "k", std::string("\r\n\"\x01", 4)}), R"(SET k "\r\n\"\x01")");
}

}  // namespace
}  // namespace cairn::cli
