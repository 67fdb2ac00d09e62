#include "adapter/redis/front/reply_signs.h"

#include <gtest/gtest.h>

namespace cairn::adapter::redis {
namespace {

TEST(ReplySignsTest, WhatWasNotBegun) {
  for (const char* reply : {"-BUSY Redis is busy running a script.\r\n",
                            "-EXECABORT Transaction discarded because of: BUSY\r\n"}) {
    EXPECT_TRUE(SaysNotBegun(reply)) << reply;
  }
  for (const char* reply : {"-BUSYKEY Target key name already exists.\r\n", "-ERR BUSY x\r\n",
                            "$6\r\n-BUSY \r\n", "-BUSY", "+OK\r\n", ""}) {
    EXPECT_FALSE(SaysNotBegun(reply)) << reply;
  }
}

TEST(ReplySignsTest, ScriptsWordTheirErrors) {
  for (const char* name : {"eval", "eval_ro", "evalsha", "evalsha_ro", "fcall", "fcall_ro"}) {
    EXPECT_TRUE(RunsScript(name)) << name;
  }
  for (const char* name : {"exec", "get", "script|kill", "function|load", ""}) {
    EXPECT_FALSE(RunsScript(name)) << name;
  }
}

TEST(ReplySignsTest, Greetings) {
  EXPECT_TRUE(IsGreeting("*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n"));
  EXPECT_TRUE(IsGreeting("%7\r\n$6\r\nserver\r\n"));
  for (const char* other : {"*3\r\n$7\r\nmessage\r\n$6\r\nserver\r\n$1\r\nm\r\n", "+PONG\r\n",
                            "-ERR x\r\n", "*14", ""}) {
    EXPECT_FALSE(IsGreeting(other)) << other;
  }
}

TEST(ReplySignsTest, LinesOfTheAgent) {
  EXPECT_TRUE(IsAgentsQuestion("+1.2 [0 unix:/a b/engine.sock] \"ROLE\"\r\n"));
  EXPECT_TRUE(IsAgentsQuestion("+1.2 [9 127.0.0.1:50000] \"INFO\"\r\n"));
  EXPECT_TRUE(IsAgentsQuestion("+1.2 [0 unix:/e] \"SELECT\" \"9\"\r\n"));
  EXPECT_TRUE(IsAgentsQuestion("+1.2 [0 unix:/e] \"CLIENT\" \"ID\"\r\n"));
  for (const char* line :
       {"+1.2 [0 unix:/e] \"INFO\" \"memory\"\r\n", "+OK\r\n", "+1.2 [9 lua] \"SELECT\" \"1\"\r\n",
        "+1.2 [0 unix:/e] \"SET\" \"k\" \"] \\\"ROLE\\\"\"\r\n"}) {
    EXPECT_FALSE(IsAgentsQuestion(line)) << line;
  }
}

}  // namespace
}  // namespace cairn::adapter::redis
