#include <gtest/gtest.h>

#include "cli/data_commands.h"

namespace cairn::cli {
namespace {

TEST(PositionsTest, WhereReadingBegins) {
  EXPECT_EQ(ParsePosition("first")->kind, Position::Kind::kFirst);
  EXPECT_EQ(ParsePosition("next")->kind, Position::Kind::kNext);
  EXPECT_EQ(ParsePosition("17")->seq, Seq{17});
  EXPECT_EQ(ParsePosition("@1.5")->timestamp_us, 1'500'000);
  for (const char* text : {"", "0", "-1", "17x", "last", "@", "@x", "18446744073709551616"}) {
    SCOPED_TRACE(text);
    EXPECT_EQ(ParsePosition(text).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(PositionsTest, ALeaseAndItsEpoch) {
  const auto lease = ParseLeaseRef("a:b:17");  // The epoch stands behind the last colon.
  ASSERT_TRUE(lease.ok());
  EXPECT_EQ(lease->name, "a:b");
  EXPECT_EQ(lease->epoch, Epoch{17});
  for (const char* text : {"", "primary", "primary:", ":17", "primary:0", "primary:x"}) {
    SCOPED_TRACE(text);
    EXPECT_EQ(ParseLeaseRef(text).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(PositionsTest, Metadata) {
  const auto metadata = ParseMetadata({"a=1", "b=x=y", "c="});
  ASSERT_TRUE(metadata.ok());
  EXPECT_EQ(*metadata, (RecordMetadata{{"a", "1"}, {"b", "x=y"}, {"c", ""}}));
  EXPECT_EQ(ParseMetadata({"a"}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ParseMetadata({"=1"}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ParseMetadata({"a=1", "a=2"}).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace cairn::cli
