// The small pure parts of `cairn-agent snapshot` and `restore`: what operators write, what engines
// say, and what progress looks like.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <string>
#include <vector>

#include "adapter/log_trim.h"
#include "adapter/progress_report.h"
#include "adapter/redis/keyspace_digest.h"
#include "adapter/wanted_position.h"
#include "base/strings.h"

namespace cairn::adapter {
namespace {

using redis::ExpectEqual;
using redis::KeyspaceDigest;
using redis::ParseKeyspace;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(TrimPolicyTest, SaysWhatIsKept) {
  const auto none = ParseTrimPolicy("none");
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(none->kind, TrimPolicy::Kind::kNone);
  const auto records = ParseTrimPolicy("keep-records=12000");
  ASSERT_TRUE(records.ok());
  EXPECT_EQ(records->kind, TrimPolicy::Kind::kKeepRecords);
  EXPECT_EQ(records->keep_records, 12'000u);
  const auto time = ParseTrimPolicy("keep-time=1h30m");
  ASSERT_TRUE(time.ok());
  EXPECT_EQ(time->kind, TrimPolicy::Kind::kKeepTime);
  EXPECT_EQ(time->keep_time, absl::Minutes(90));
}

TEST(TrimPolicyTest, AnythingElseIsRefusedWithWhatIsExpected) {
  for (const char* text : {"", "all", "keep-records", "keep-records=", "keep-records=-1",
                           "keep-records=5x", "keep-time=5", "keep-time=-1s", "keep-time="}) {
    const auto policy = ParseTrimPolicy(text);
    EXPECT_FALSE(policy.ok()) << text;
    EXPECT_THAT(ToStd(policy.status().message()), HasSubstr("expected none, keep-records=N"));
  }
}

TEST(PositionTest, IsTheEndARecordOrAMoment) {
  EXPECT_TRUE(std::holds_alternative<AtEnd>(*ParsePosition("end")));
  EXPECT_EQ(std::get<Seq>(*ParsePosition("4711")), Seq(4711));
  const absl::Time noon = absl::FromUnixSeconds(1'795'262'400);  // 2026-11-21T12:00:00Z
  for (const char* text : {"2026-11-21T12:00:00Z", "2026-11-21T13:00:00+01:00",
                           "2026-11-21T12:00:00", "2026-11-21 12:00:00.0", "2026-11-21 12:00"}) {
    const auto at = ParsePosition(text);
    ASSERT_TRUE(at.ok()) << text;
    EXPECT_EQ(std::get<absl::Time>(*at), noon) << text;
  }
  for (const char* text : {"", "now", "-1", "12x", "2026-13-01", "99999999999999999999999"}) {
    EXPECT_FALSE(ParsePosition(text).ok()) << text;
  }
}

TEST(KeyspaceTest, IsReadFromInfoInTheOrderOfDatabases) {
  const auto databases = ParseKeyspace(
      "# Keyspace\r\ndb12:keys=3,expires=0,avg_ttl=0\r\ndb0:keys=41,expires=2,avg_ttl=7\r\n");
  ASSERT_TRUE(databases.ok());
  EXPECT_THAT(*databases, ElementsAre(SnapshotDatabase{0, 41}, SnapshotDatabase{12, 3}));
  EXPECT_THAT(*ParseKeyspace("# Keyspace\r\n"), IsEmpty());
  EXPECT_FALSE(ParseKeyspace("db0:expires=2\r\n").ok());
  EXPECT_FALSE(ParseKeyspace("dbx:keys=2\r\n").ok());
}

TEST(KeyspaceTest, TwoAreEqualAsFarAsBothToldTheirDigest) {
  const KeyspaceDigest one{{{0, 2}, {3, 1}}, std::string(40, 'a')};
  KeyspaceDigest other = one;
  EXPECT_TRUE(ExpectEqual(one, other).ok());
  other.digest.clear();
  EXPECT_TRUE(ExpectEqual(one, other).ok());
  other.digest = std::string(40, 'b');
  EXPECT_TRUE(absl::IsDataLoss(ExpectEqual(one, other)));
  other = one;
  other.databases.pop_back();
  const absl::Status status = ExpectEqual(one, other);
  EXPECT_THAT(ToStd(status.message()), HasSubstr("expected 3 keys in 2 databases"));
  EXPECT_THAT(ToStd(status.message()), HasSubstr("found 2 keys in 1 databases"));
}

TEST(ProgressTest, ALineShowsPhaseAmountsAndShare) {
  EXPECT_EQ(ProgressLine(Phase::kUpload, 48 << 20, 96 << 20, 3'000'000),
            "upload   48.0 MiB / 96.0 MiB [============>           ]  50 %  3 s");
  EXPECT_EQ(ProgressLine(Phase::kReplay, 96'000, 96'000, 0),
            "replay   96000 / 96000 records [========================] 100 %  0 s");
  EXPECT_EQ(ProgressLine(Phase::kSave, 0, 0, 12'000'000), "save     0.0 MiB  12 s");
}

class ManualClock : public Clock {
 public:
  [[nodiscard]] MonoMicros Mono() const override { return now_us; }
  [[nodiscard]] WallMicros Wall() const override { return now_us; }
  MonoMicros now_us = 0;
};

// What a report wrote into a pipe.
class ProgressReportTest : public ::testing::Test {
 protected:
  ProgressReportTest() { EXPECT_EQ(pipe(fds_.data()), 0); }
  ~ProgressReportTest() override { close(fds_[0]); }

  std::string Written() {
    close(fds_[1]);
    std::string text(4096, '\0');
    const ssize_t bytes = read(fds_[0], text.data(), text.size());
    text.resize(bytes > 0 ? static_cast<size_t>(bytes) : 0);
    return text;
  }

  ManualClock clock_;
  std::array<int, 2> fds_{};
};

TEST_F(ProgressReportTest, LinesComeWhenAPhaseBeginsAndEachFiveSeconds) {
  {
    ProgressReport report(ProgressReport::Style::kJson, &clock_, fds_[1]);
    report.Update(Phase::kLoad, 1, 10);
    report.Update(Phase::kLoad, 2, 10);
    clock_.now_us += 5 * kMicrosPerSecond;
    report.Update(Phase::kLoad, 3, 10);
    report.Update(Phase::kReplay, 4, 10);
  }
  EXPECT_EQ(Written(),
            "{\"phase\": \"load\", \"done\": 1, \"total\": 10}\n"
            "{\"phase\": \"load\", \"done\": 3, \"total\": 10}\n"
            "{\"phase\": \"replay\", \"done\": 4, \"total\": 10}\n");
}

TEST_F(ProgressReportTest, ATerminalsLineIsDrawnAnewAndRemovedAtTheEnd) {
  {
    ProgressReport report(ProgressReport::Style::kTerminal, &clock_, fds_[1]);
    report.Update(Phase::kSave, 0, 0);
    report.Update(Phase::kSave, 0, 0);  // Too soon.
  }
  EXPECT_EQ(Written(), "\r\x1b[Ksave     0.0 MiB  0 s\r\r\x1b[K");
}

}  // namespace
}  // namespace cairn::adapter
