#include "server/segment_list.h"

#include <gtest/gtest.h>

#include <string>

#include "base/clock.h"

namespace cairn::server {
namespace {

constexpr uint64_t kSegmentBytes = 1000;
constexpr int64_t kSecond = kMicrosPerSecond;
constexpr int64_t kDay = 24 * 3600 * kSecond;

storage::SegmentRow Row(uint64_t before_index, uint64_t first_seq, int64_t at_us) {
  storage::SegmentRow row;
  row.before_index = Index(before_index);
  row.before_term = Term(1);
  row.first_seq = Seq(first_seq);
  row.timestamp_us = at_us;
  return row;
}

cairn::v1::LogSettings Keep(uint64_t bytes, uint64_t ms) {
  cairn::v1::LogSettings settings;
  settings.set_retention_bytes(bytes);
  settings.set_retention_ms(ms);
  return settings;
}

// Four segments of ten entries and 100 bytes, which begin a second apart; the last one is open.
SegmentList Four() {
  SegmentList list(kSegmentBytes);
  list.Reset(Row(0, 1, 0));
  for (uint64_t i = 1; i <= 40; ++i) {
    list.OnApplied(Index(i), 10);
    if (i % 10 == 0 && i < 40) list.Seal(Row(i, i + 1, static_cast<int64_t>(i / 10) * kSecond));
  }
  return list;
}

TEST(SegmentListTest, SealedBySizeOrAge) {
  SegmentList list(kSegmentBytes);
  list.Reset(Row(0, 1, 5 * kSecond));
  EXPECT_FALSE(list.SealDue({}, 100 * kDay)) << "it is empty";
  list.OnApplied(Index(1), kSegmentBytes - 1);
  EXPECT_FALSE(list.SealDue({}, 5 * kSecond));
  EXPECT_FALSE(list.SealDue({}, 5 * kSecond + kDay));
  EXPECT_TRUE(list.SealDue({}, 5 * kSecond + kDay + 1));
  cairn::v1::LogSettings smaller;
  smaller.set_segment_bytes(kSegmentBytes - 1);
  EXPECT_TRUE(list.SealDue(smaller, 5 * kSecond));
  list.OnApplied(Index(2), 1);
  EXPECT_TRUE(list.SealDue({}, 5 * kSecond));
}

// An eighth of the retention, but neither less than a second nor more than a day.
TEST(SegmentListTest, SealAgeFollowsRetention) {
  SegmentList list(kSegmentBytes);
  list.Reset(Row(0, 1, 0));
  list.OnApplied(Index(1), 1);
  const auto due_after = [&](uint64_t retention_ms, int64_t age_us) {
    return !list.SealDue(Keep(0, retention_ms), age_us) &&
           list.SealDue(Keep(0, retention_ms), age_us + 1);
  };
  EXPECT_TRUE(due_after(80'000, 10 * kSecond));
  EXPECT_TRUE(due_after(1, kSecond));
  EXPECT_TRUE(due_after(365ULL * 24 * 3600 * 1000, kDay));
}

TEST(SegmentListTest, RetentionByBytesKeepsTheLastSegment) {
  const SegmentList list = Four();
  ASSERT_EQ(list.bytes(), 400u);
  EXPECT_EQ(list.RetentionFirstSeq(Keep(400, 0), 0, true), std::nullopt);
  EXPECT_EQ(list.RetentionFirstSeq(Keep(399, 0), 0, true), Seq(11));
  EXPECT_EQ(list.RetentionFirstSeq(Keep(200, 0), 0, true), Seq(21));
  EXPECT_EQ(list.RetentionFirstSeq(Keep(1, 0), 0, true), Seq(31));
}

// A segment goes when the next one began before the cutoff: then all of it is older.
TEST(SegmentListTest, RetentionByAgeKeepsTheLastSegment) {
  const SegmentList list = Four();
  EXPECT_EQ(list.RetentionFirstSeq(Keep(0, 1000), 2 * kSecond, true), std::nullopt);
  EXPECT_EQ(list.RetentionFirstSeq(Keep(0, 1000), 2 * kSecond + 1, true), Seq(11));
  EXPECT_EQ(list.RetentionFirstSeq(Keep(0, 1000), 3 * kSecond + 1, true), Seq(21));
  EXPECT_EQ(list.RetentionFirstSeq(Keep(0, 1000), 100 * kDay, true), Seq(31));
  EXPECT_EQ(list.RetentionFirstSeq(Keep(0, 1000), 100 * kDay, false), std::nullopt);
  EXPECT_EQ(list.RetentionFirstSeq(Keep(399, 1000), 100 * kDay, false), Seq(11)) << "bytes count";
  EXPECT_EQ(list.RetentionFirstSeq(Keep(0, 0), 100 * kDay, true), std::nullopt);
}

TEST(SegmentListTest, TrimPointIsTheNewestStartThatNobodyNeeds) {
  SegmentList list = Four();
  EXPECT_EQ(list.TrimPoint(Seq(10), Index(40)), std::nullopt);
  EXPECT_EQ(list.TrimPoint(Seq(11), Index(40)), Index(10));
  EXPECT_EQ(list.TrimPoint(Seq(30), Index(40)), Index(20));
  EXPECT_EQ(list.TrimPoint(Seq(41), Index(40)), Index(30)) << "the open one stays";
  EXPECT_EQ(list.TrimPoint(Seq(41), Index(29)), Index(20)) << "not on the disk further";
  list.TrimTo(Index(20));
  EXPECT_EQ(list.first().first_seq, Seq(21));
  EXPECT_EQ(list.size(), 2u);
  EXPECT_EQ(list.bytes(), 200u);
  EXPECT_EQ(list.applied_bytes(), 400u);
}

TEST(SegmentListTest, SealedEarlyOnlyForATrimOfAllThatIsWorthARow) {
  SegmentList list(1 << 20);
  list.Reset(Row(0, 1, 0));
  list.OnApplied(Index(1), (64 << 10) - 1);
  EXPECT_FALSE(list.SealForTrim(Seq(2), Seq(1)));
  list.OnApplied(Index(2), 1);
  EXPECT_TRUE(list.SealForTrim(Seq(2), Seq(1)));
  EXPECT_FALSE(list.SealForTrim(Seq(1), Seq(1)));
}

TEST(SegmentListTest, ARunEndsWithItsSegment) {
  const SegmentList list = Four();
  ASSERT_NE(list.EndOfRun(Index(12), 80), nullptr);
  EXPECT_EQ(list.EndOfRun(Index(12), 80)->before_index, Index(20));
  EXPECT_EQ(list.EndOfRun(Index(12), 81), nullptr) << "so much is not left of it";
  EXPECT_EQ(list.EndOfRun(Index(30), 1), nullptr) << "the open one has no end";
  EXPECT_TRUE(list.EndsWithRun(Index(35), 50));
  EXPECT_FALSE(list.EndsWithRun(Index(35), 51));
  EXPECT_FALSE(list.EndsWithRun(Index(29), 1));
}

TEST(SegmentListTest, DescribesWhatEachHolds) {
  cairn::v1::DescribeLogResponse response;
  Four().Describe(Seq(40), response);
  ASSERT_EQ(response.segments_size(), 4);
  const cairn::v1::SegmentInfo& second = response.segments(1);
  EXPECT_EQ(second.first_seq(), 11u);
  EXPECT_EQ(second.last_seq(), 20u);
  EXPECT_EQ(second.first_index(), 11u);
  EXPECT_EQ(second.last_index(), 20u);
  EXPECT_EQ(second.bytes(), 100u);
  EXPECT_TRUE(second.sealed());
  EXPECT_FALSE(response.segments(3).sealed());
  EXPECT_EQ(response.segments(3).last_seq(), 40u);
}

}  // namespace
}  // namespace cairn::server
