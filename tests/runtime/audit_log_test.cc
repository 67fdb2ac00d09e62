// The audit log: whole lines, files that come and go, a disk that is full, and who knocks often.
#include "server/runtime/audit_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/temp_dir.h"

namespace cairn::server {
namespace {

using ::testing::HasSubstr;

class FixedClock final : public Clock {
 public:
  [[nodiscard]] MonoMicros Mono() const override { return now_us; }
  [[nodiscard]] WallMicros Wall() const override { return now_us; }
  int64_t now_us = 1'700'000'000'000'000;
};

class AuditLogTest : public ::testing::Test {
 protected:
  std::vector<nlohmann::json> Lines() const {
    std::ifstream file(path_);
    std::vector<nlohmann::json> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(nlohmann::json::parse(line));
    return lines;
  }
  static AuditEntry Entry(std::string_view log = "orders") {
    return {.request_id = "r1",
            .principal = "ops",
            .address = "ipv4:127.0.0.1:1",
            .method = "/cairn.v1.LogService/DeleteLog",
            .log = log,
            .outcome = "OK",
            .message = ""};
  }

  testing::TempDir dir_;
  const std::string path_ = dir_.File("audit");
  FixedClock clock_;
  AuditLog audit_{"n1", path_, &clock_};
};

TEST_F(AuditLogTest, ALineSaysWhoDidWhatWhen) {
  ASSERT_TRUE(audit_.Open().ok());
  audit_.Write(Entry());
  ASSERT_EQ(Lines().size(), 1u);
  const nlohmann::json line = Lines().front();
  EXPECT_EQ(line["time"], "2023-11-14T22:13:20.000000Z");
  EXPECT_EQ(line["node"], "n1");
  EXPECT_EQ(line["request_id"], "r1");
  EXPECT_EQ(line["principal"], "ops");
  EXPECT_EQ(line["log"], "orders");
  EXPECT_FALSE(line.contains("omitted"));
  struct stat info;
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(AuditLogTest, WhatStrangersNameBreaksNoLine) {
  audit_.Write(Entry("a\"b\nc\\\x01"));
  audit_.Write(Entry("\xff\xfe"));
  EXPECT_EQ(Lines().size(), 2u);
  EXPECT_EQ(Lines().front()["log"], "a\"b\nc\\\x01");
}

TEST_F(AuditLogTest, AFileThatWasRotatedIsOpenedAnew) {
  audit_.Write(Entry("first"));
  ASSERT_EQ(rename(path_.c_str(), (path_ + ".1").c_str()), 0);
  audit_.Write(Entry("second"));
  ASSERT_EQ(Lines().size(), 1u);
  EXPECT_EQ(Lines().front()["log"], "second");
}

TEST_F(AuditLogTest, AFileThatCannotBeWrittenStopsNothing) {
  AuditLog full("n1", "/dev/full", &clock_);
  EXPECT_TRUE(full.Open().ok());
  full.Write(Entry());
  AuditLog nowhere("n1", dir_.File("no/such/folder"), &clock_);
  EXPECT_THAT(std::string(nowhere.Open().message()), HasSubstr("expected a file"));
  nowhere.Write(Entry());
}

TEST_F(AuditLogTest, WhoKnocksOftenFillsNoDisk) {
  const int limit = AuditLog::kRefusedLoginsPerSecond;
  for (int i = 0; i < limit + 7; ++i) audit_.WriteRefusedLogin(Entry());
  EXPECT_EQ(Lines().size(), static_cast<size_t>(limit));
  audit_.Write(Entry());  // Calls of those who are known are always written.
  EXPECT_EQ(Lines().size(), static_cast<size_t>(limit) + 1);
  clock_.now_us += kMicrosPerSecond;
  audit_.WriteRefusedLogin(Entry());
  EXPECT_EQ(Lines().back()["omitted"], 7);
}

}  // namespace
}  // namespace cairn::server
