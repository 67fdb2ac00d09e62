// What cairnd says of a directory, line by line, and what the tool makes of it.
#include "cli/data_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cairn::cli {
namespace {

using ::testing::HasSubstr;

constexpr const char* kLog =
    R"({"log":{"id":4,"name":"orders","removed":false,"entries":9,"records":7,"bytes":2048,)"
    R"("first_seq":3,"last_seq":9,"chain":"00000000000000ff","damage":""}})";
constexpr const char* kFinding =
    R"({"finding":{"kind":"damage","file":"db/000012.sst","what":"a block","advice":"start"}})";
constexpr const char* kResult =
    R"({"result":{"whole":false,"files":3,"bytes":4096,"recovery":"sound: clean end"}})";

TEST(DataCheckTest, LinesBecomeOneView) {
  DataCheck check("/data");
  EXPECT_TRUE(check.Take(R"({"progress":{"stage":"files","done":1,"total":2}})").ok());
  EXPECT_EQ(check.progress().stage, "files");
  EXPECT_EQ(check.progress().total, 2u);
  EXPECT_TRUE(check.Take(kLog).ok());
  EXPECT_TRUE(check.Take(kFinding).ok());
  EXPECT_FALSE(check.complete());
  EXPECT_TRUE(check.Take(kResult).ok());
  EXPECT_TRUE(check.complete());
  EXPECT_EQ(ToText(check.view(), false),
            "directory  /data\n"
            "whole      no\n"
            "files      3\n"
            "bytes      4.0 KiB\n"
            "recovery   sound: clean end\n"
            "\n"
            "logs:\n"
            "LOG ID  NAME    ENTRIES  RECORDS    BYTES  FIRST SEQ  LAST SEQ  CHAIN             "
            "VERDICT\n"
            "     4  orders        9        7  2.0 KiB          3         9  00000000000000ff  "
            "whole\n"
            "\n"
            "findings:\n"
            "KIND    FILE           WHAT     ADVICE\n"
            "damage  db/000012.sst  a block  start\n");
  EXPECT_THAT(ToJson(check.view()).dump(), HasSubstr(R"("chain":"00000000000000ff")"));
}

TEST(DataCheckTest, AnErrorKeepsItsCode) {
  DataCheck check("/data");
  const absl::Status status = check.Take(R"({"error":{"code":9,"message":"in use"}})");
  EXPECT_EQ(status, absl::FailedPreconditionError("in use"));
}

TEST(DataCheckTest, WhatIsNotUnderstoodIsNoResult) {
  for (const char* line : {"", "cairnd: unknown option", "{", R"({"log":{}})", R"({"result":1})"}) {
    SCOPED_TRACE(line);
    DataCheck check("/data");
    EXPECT_TRUE(absl::IsInternal(check.Take(line)));
    EXPECT_FALSE(check.complete());
  }
  // A newer cairnd may say more.
  EXPECT_TRUE(DataCheck("/data").Take(R"({"advice":"none"})").ok());
}

}  // namespace
}  // namespace cairn::cli
