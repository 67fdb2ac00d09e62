#include "cli/units.h"

#include <gtest/gtest.h>

namespace cairn::cli {
namespace {

TEST(UnitsTest, ByteCounts) {
  struct Case {
    const char* text;
    uint64_t want;
  };
  const Case cases[] = {
      {"0", 0},           {"128", 128},    {"128B", 128},           {"64k", 65536},
      {"64KiB", 65536},   {"64kB", 64000}, {"1.5 GiB", 3ull << 29}, {"10MB", 10'000'000},
      {"2T", 2ull << 40},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    const auto bytes = ParseByteCount(c.text);
    ASSERT_TRUE(bytes.ok());
    EXPECT_EQ(*bytes, c.want);
  }
}

TEST(UnitsTest, DurationsInMilliseconds) {
  struct Case {
    const char* text;
    uint64_t want;
  };
  const Case cases[] = {{"10", 10'000},   {"250ms", 250},        {"10s", 10'000},
                        {"1.5m", 90'000}, {"2h", 2 * 3'600'000}, {"7d", 7ull * 86'400'000}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    const auto duration_ms = ParseDurationMs(c.text);
    ASSERT_TRUE(duration_ms.ok());
    EXPECT_EQ(*duration_ms, c.want);
  }
}

TEST(UnitsTest, WhatIsNotWhollyUnderstoodIsRefused) {
  for (const char* text : {"", "x", "-1", "12q", "1 2", "1KiBx", "nan", "1e400", "0x10", "16EiB"}) {
    SCOPED_TRACE(text);
    EXPECT_EQ(ParseByteCount(text).status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(ParseDurationMs(text).status().code(), absl::StatusCode::kInvalidArgument);
  }
  for (const char* text : {"", "yesterday", "2026-13-01", "12:00", "2026-11-21T"}) {
    SCOPED_TRACE(text);
    EXPECT_EQ(ParseTimestampUs(text).status().code(), absl::StatusCode::kInvalidArgument);
  }
  for (const char* text : {"", "0x", "xyz", "12345678901234567", "12 "}) {
    SCOPED_TRACE(text);
    EXPECT_EQ(ParseHash(text).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(UnitsTest, TimesAreUtcUnlessTheySayOtherwise) {
  constexpr int64_t kNoon = 1'795'262'400'000'000;  // 2026-11-21 12:00 UTC.
  for (const char* text : {"2026-11-21T12:00:00Z", "2026-11-21T12:00:00", "2026-11-21 12:00",
                           "2026-11-21T13:00:00+01:00", "1795262400"}) {
    SCOPED_TRACE(text);
    const auto us = ParseTimestampUs(text);
    ASSERT_TRUE(us.ok());
    EXPECT_EQ(*us, kNoon);
  }
  EXPECT_EQ(*ParseTimestampUs("2026-11-21"), kNoon - 12ll * 3'600'000'000);
  EXPECT_EQ(*ParseTimestampUs("1795262400.25"), kNoon + 250'000);
  EXPECT_EQ(FormatTimestampUs(kNoon + 250'000), "2026-11-21T12:00:00.250000Z");
}

TEST(UnitsTest, Prints) {
  EXPECT_EQ(FormatByteCount(0), "0 B");
  EXPECT_EQ(FormatByteCount(1023), "1023 B");
  EXPECT_EQ(FormatByteCount(1536), "1.5 KiB");
  EXPECT_EQ(FormatByteCount(3ull << 30), "3.0 GiB");
  EXPECT_EQ(FormatDurationMs(90'000), "1m30s");
  EXPECT_EQ(FormatHash(0xab), "00000000000000ab");
  EXPECT_EQ(*ParseHash(FormatHash(0xfedcba9876543210)), 0xfedcba9876543210);
  EXPECT_EQ(*ParseHash("0xAb"), 0xabu);
}

}  // namespace
}  // namespace cairn::cli
