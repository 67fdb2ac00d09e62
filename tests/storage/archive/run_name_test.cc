#include "storage/archive/run_name.h"

#include <gtest/gtest.h>

#include <string>

#include "storage/objects/object_store.h"

namespace cairn::archive {
namespace {

RunName Sample() {
  return {.first_seq = Seq(101),
          .last_seq = Seq(200),
          .chain_before = 0xabc,
          .chain = 0xfedcba9876543210,
          .timestamp_us = 1795000000000000};
}

TEST(RunNameTest, WhatIsWrittenIsRead) {
  const std::string file = Sample().File();
  EXPECT_EQ(file,
            "00000000000000000101-00000000000000000200-0000000000000abc-fedcba9876543210-"
            "0006608b015f3000");
  EXPECT_EQ(RunName::Parse(file), Sample());
}

TEST(RunNameTest, FilesAreInTheOrderOfTheirSeqs) {
  RunName first = Sample();
  RunName second = Sample();
  first.first_seq = Seq(99);
  second.first_seq = Seq(1000);
  EXPECT_LT(first.File(), Sample().File());
  EXPECT_LT(Sample().File(), second.File());
}

TEST(RunNameTest, OneSpellingOnly) {
  const std::string file = Sample().File();
  for (size_t at = 0; at < file.size(); ++at) {
    SCOPED_TRACE(at);
    EXPECT_FALSE(RunName::Parse(file.substr(0, at)).has_value());
    std::string changed = file;
    changed[at] = changed[at] == '-' ? '0' : 'X';
    EXPECT_FALSE(RunName::Parse(changed).has_value());
  }
  EXPECT_FALSE(RunName::Parse(file + "-").has_value());
  EXPECT_FALSE(RunName::Parse(file + "0").has_value());
  std::string upper = file;
  upper[file.find('f')] = 'F';
  EXPECT_FALSE(RunName::Parse(upper).has_value());
}

TEST(RunNameTest, ARunHoldsARecord) {
  RunName name = Sample();
  name.last_seq = Seq(100);
  EXPECT_FALSE(RunName::Parse(name.File()).has_value());
  name.first_seq = Seq(0);
  EXPECT_FALSE(RunName::Parse(name.File()).has_value());
}

TEST(LogPlaceTest, KeysTellThePlace) {
  const LogPlace place{"0123456789abcdef", GroupId(7)};
  const std::string key = place.Folder() + Sample().File();
  EXPECT_EQ(key.substr(0, 38), "0123456789abcdef/00000000000000000007/");
  EXPECT_EQ(objects::CheckKey(key), "");
  const auto parsed = ParseKey(key);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->place, place);
  EXPECT_EQ(parsed->file, Sample().File());
  for (const char* other :
       {"", "a", "a/b", "a/7/log.json", "a/00000000000000000007/", "/00000000000000000007/x",
        "a/00000000000000000007/x/y", "a/0000000000000000000x/y", "a/00000000000000000007"}) {
    EXPECT_FALSE(ParseKey(other).has_value()) << other;
  }
}

TEST(LogPlaceTest, ALocationTellsThePlace) {
  const LogPlace place{"0123456789abcdef", GroupId(7)};
  const std::string location = place.Location("s3://bucket/logs?region=eu#1");
  EXPECT_EQ(location, "s3://bucket/logs?region=eu#1#0123456789abcdef/00000000000000000007");
  EXPECT_EQ(LogPlace::FromLocation(location), place);
  for (const char* other : {"", "file:///a", "file:///a#", "file:///a#b/7"}) {
    EXPECT_FALSE(LogPlace::FromLocation(other).has_value()) << other;
  }
}

}  // namespace
}  // namespace cairn::archive
