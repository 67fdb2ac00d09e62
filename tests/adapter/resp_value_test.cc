#include "adapter/redis/resp_value.h"

#include <gtest/gtest.h>

namespace cairn::adapter::redis {
namespace {

TEST(RespValueTest, ReadsNestedReplies) {
  const auto value = ReadRespValue(
      "*4\r\n$3\r\nset\r\n:-3\r\n%1\r\n+k\r\n=5\r\ntxt:v\r\n|1\r\n+a\r\n+b\r\n*-1\r\n");
  ASSERT_TRUE(value.ok()) << value.status();
  ASSERT_EQ(value->items.size(), 4u);
  EXPECT_EQ(value->items[0].text, "set");
  EXPECT_EQ(value->items[1].integer, -3);
  ASSERT_EQ(value->items[2].items.size(), 2u);
  EXPECT_EQ(value->items[2].items[1].text, "v");
  EXPECT_TRUE(value->items[2].items[1].string());
  EXPECT_TRUE(value->items[3].null());
  EXPECT_TRUE(value->list());
}

TEST(RespValueTest, RefusesWhatIsNotOneReply) {
  for (const char* bytes : {"", "\r\n", "+OK", "+OK\r\n+OK\r\n", "$5\r\nab\r\n", "$1\r\nabc\r\n",
                            "*2\r\n:1\r\n", "*99999999999\r\n", "$-2\r\n", ":x\r\n", "x\r\n"}) {
    EXPECT_EQ(ReadRespValue(bytes).status().code(), absl::StatusCode::kInvalidArgument) << bytes;
  }
}

TEST(RespValueTest, DepthAndBytesAreBounded) {
  EXPECT_TRUE(ReadRespValue("*1\r\n*1\r\n:1\r\n", {.max_depth = 2}).ok());
  for (const char* deep : {"*1\r\n*1\r\n*1\r\n:1\r\n", "*1\r\n*1\r\n|1\r\n:1\r\n:1\r\n:1\r\n"}) {
    EXPECT_EQ(ReadRespValue(deep, {.max_depth = 2}).status().code(),
              absl::StatusCode::kResourceExhausted);
  }
  EXPECT_EQ(ReadRespValue("+12345\r\n", {.max_bytes = 7}).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(InfoTest, FindsAField) {
  constexpr std::string_view kInfo =
      "# Server\r\nredis_version:7.0.15\r\nredis_version_x:1\r\nempty:\r\n";
  EXPECT_EQ(FindInfoField(kInfo, "redis_version"), "7.0.15");
  EXPECT_EQ(FindInfoField(kInfo, "empty"), "");
  EXPECT_EQ(FindInfoField(kInfo, "version"), std::nullopt);
}

constexpr std::string_view kPrimaryRole =
    "*3\r\n$6\r\nmaster\r\n:1234\r\n*1\r\n*3\r\n$9\r\n127.0.0.1\r\n$4\r\n6380\r\n$4\r\n1230\r\n";
constexpr std::string_view kReplicaRole =
    "*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:7000\r\n$9\r\nconnected\r\n:77\r\n";

TEST(RoleTest, ReadsWhatEnginesAnswer) {
  const auto primary = ReadRole(*ReadRespValue(kPrimaryRole));
  ASSERT_TRUE(primary.ok());
  EXPECT_TRUE(primary->primary);
  EXPECT_EQ(primary->offset, 1234u);
  const auto replica = ReadRole(*ReadRespValue(kReplicaRole));
  ASSERT_TRUE(replica.ok());
  EXPECT_FALSE(replica->primary);
  EXPECT_EQ(replica->offset, 77u);
  EXPECT_EQ(replica->link, "connected");
  EXPECT_FALSE(ReadRole(*ReadRespValue("-NOPERM no\r\n")).ok());
  EXPECT_FALSE(ReadRole(*ReadRespValue("*1\r\n$8\r\nsentinel\r\n")).ok());
}

TEST(RoleTest, TheOffsetOfABatchIsReadWithoutATree) {
  EXPECT_EQ(PrimaryOffset(kPrimaryRole), 1234u);
  for (const std::string_view other :
       {kReplicaRole, std::string_view("-ERR x\r\n"), std::string_view("+QUEUED\r\n"),
        kPrimaryRole.substr(0, 21), std::string_view()}) {
    EXPECT_EQ(PrimaryOffset(other), std::nullopt) << other;
  }
}

}  // namespace
}  // namespace cairn::adapter::redis
