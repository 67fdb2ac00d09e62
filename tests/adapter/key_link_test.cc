// Keys go from one engine to another as they are.
#include "adapter/redis/resharding/key_link.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/adapter/engine_fixture.h"

namespace cairn::adapter::redis {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

class KeyLinkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(world_.Run(from_.Connect()).ok());
    ASSERT_TRUE(world_.Run(to_.Connect()).ok());
  }
  std::vector<WholeKey> Read(KeyLink& link, const std::vector<std::string>& keys) {
    const auto read = world_.Run(link.Read(keys, 1'000'000));
    EXPECT_TRUE(read.ok()) << read.status();
    return read.value_or(std::vector<WholeKey>());
  }
  absl::Status Copy(const std::vector<std::string>& keys) {
    return world_.Run(to_.Write(keys, Read(from_, keys)));
  }

  EngineWorld world_;
  TestEngine from_engine_{&world_, "from"};
  TestEngine to_engine_{&world_, "to"};
  KeyLink from_{world_.executor(), from_engine_.address(), /*max_dump_bytes=*/100'000};
  KeyLink to_{world_.executor(), to_engine_.address()};
};

TEST_F(KeyLinkTest, KeysBecomeWhatTheyAreElsewhere) {
  from_engine_.Do({"SET", "string", "new"});
  from_engine_.Do({"RPUSH", "list", "a", "b"});
  from_engine_.Do({"SET", "expires", "x", "PXAT", "33000000000000"});
  to_engine_.Do({"HSET", "string", "another", "type"});
  to_engine_.Do({"SET", "gone", "x"});
  ASSERT_TRUE(Copy({"string", "list", "expires", "gone", "never"}).ok());
  EXPECT_EQ(to_engine_.Digest(), from_engine_.Digest());
  EXPECT_EQ(to_engine_.Ask({"PEXPIRETIME", "expires"}), "33000000000000");
  EXPECT_EQ(Read(to_, {"string", "expires"}), Read(from_, {"string", "expires"}));
  ASSERT_TRUE(world_.Run(to_.Remove({"list", "never"})).ok());
  EXPECT_EQ(to_engine_.Ask({"DBSIZE"}), "2");
}

TEST_F(KeyLinkTest, WhatIsTooLargeIsToldByItsSize) {
  from_engine_.Do({"CONFIG", "SET", "rdbcompression", "no"});
  from_engine_.Do({"SET", "large", std::string(100'001, 'x'), "EX", "1000"});
  from_engine_.Do({"SET", "small", std::string(1'000, 'x')});
  const std::vector<WholeKey> read = Read(from_, {"large", "small"});
  ASSERT_EQ(read.size(), 2u);
  EXPECT_GT(read[0].too_large, 100'001u);
  EXPECT_TRUE(read[0].dump.empty());
  EXPECT_EQ(read[1].too_large, 0u);
  EXPECT_GT(read[1].dump.size(), 1'000u);
}

TEST_F(KeyLinkTest, NoMoreIsReadAtOnceThanWasAskedFor) {
  from_engine_.Do({"CONFIG", "SET", "rdbcompression", "no"});
  const std::vector<std::string> keys = {"a", "b", "c", "d"};
  for (const std::string& key : keys) from_engine_.Do({"SET", key, std::string(1'000, 'x')});
  const auto two = world_.Run(from_.Read(keys, 2'500));
  ASSERT_TRUE(two.ok()) << two.status();
  EXPECT_EQ(*two, Read(from_, {"a", "b"}));
  const auto one = world_.Run(from_.Read(keys, 10));
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_EQ(*one, Read(from_, {"a"})) << "the first one comes in any case";
  const std::vector<std::string> many(2 * KeyLink::kPageKeys, "none");
  EXPECT_EQ(Read(from_, many).size(), KeyLink::kPageKeys);
}

TEST_F(KeyLinkTest, OneThatIsRefusedIsSaidAndTheConnectionGoesOn) {
  from_engine_.Do({"SET", "a", "1"});
  std::vector<WholeKey> as = Read(from_, {"a", "a", "a"});
  as[1].dump[0] = '\x7f';
  const absl::Status written = world_.Run(to_.Write({"a", "b", "c"}, as));
  EXPECT_EQ(written.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(written.message(), HasSubstr("the engine refuses RESTORE: "));
  EXPECT_EQ(to_engine_.Ask({"EXISTS", "a", "b", "c"}), "2");
  EXPECT_TRUE(Copy({"a"}).ok());
}

TEST_F(KeyLinkTest, KeysOfOtherSlotsAreNotListed) {
  for (const char* key : {"{bar}1", "{bar}2", "{foo}1"}) from_engine_.Do({"SET", key, "x"});
  std::vector<std::string> found;
  std::string cursor = "0";
  do {
    const auto page = world_.Run(from_.List({KeySlot("bar"), KeySlot("bar")}, &cursor));
    ASSERT_TRUE(page.ok()) << page.status();
    found.insert(found.end(), page->begin(), page->end());
  } while (cursor != "0");
  EXPECT_THAT(found, UnorderedElementsAre("{bar}1", "{bar}2"));
}

}  // namespace
}  // namespace cairn::adapter::redis
